"""References to components that are not registered: code in a file or a module, and objects of this process. Imports no torch.

A text is a reference if the part before a colon

- ends in ``.py`` or begins with ``./``, ``../``, ``/``, ``~/``: ``./mine.py:MyAgent`` (relative to the working directory),
- is a module with a dot: ``package.module:MyAgent``,
- is ``object``: a Python object that was passed to `unified.train`.

``dmc:humanoid_run`` and ``provider/dmc:humanoid_run`` are a suite and its task instead. The task of a suite follows a reference after
another colon: ``./envs.py:Mazes:easy``. A module without a dot is referred to by its file.

The configuration of a run stores absolute paths and installed modules, so that a run can be resumed from any directory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from unified.core.base.errors import Problem, UsageError
from unified.core.base.suggest import did_you_mean
from unified.core.components import importing
from unified.core.components.descriptors import Component
from unified.core.components.packages import advice, distribution_of

_PATH = re.compile(r"(?P<place>(?:\.{1,2}/|/|~/)[^:]*|[^:]*\.py)(?::(?P<rest>.*))?", re.DOTALL)
_MODULE = re.compile(r"(?P<place>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|object):(?P<rest>.*)", re.DOTALL)
#: Characters of a reference; the paths of Linux have at most 4,096.
LONGEST = 8_192

#: Hint for an object of another process.
AGAIN = "run the same script again: it continues the run"
_GONE = " was a Python object of the script that started the run"


@dataclass(frozen=True)
class Reference:
    """The parts of a reference.

    Args:
        place: A path, a module, or ``"object"``.
        attribute: Name in the module; empty if it is missing.
        task: Task of a suite.
    """

    place: str
    attribute: str
    task: str = ""

    @property
    def file(self) -> Path | None:
        """The file, if the place is a path."""
        return Path(self.place).expanduser() if _PATH.fullmatch(self.place) else None

    def __str__(self) -> str:
        return f"{self.place}:{self.attribute}" if self.attribute else self.place


def parse(text: str) -> Reference | None:
    """Parse a reference; ``None`` for a name, and for a text that is longer than a path may be.

    >>> parse("./envs.py:Mazes:easy")
    Reference(place='./envs.py', attribute='Mazes', task='easy')
    >>> parse("dmc:humanoid_run") is parse("provider/dmc:humanoid_run") is None
    True
    """
    if len(text) > LONGEST:
        return None
    match = _PATH.fullmatch(text.strip()) or _MODULE.fullmatch(text.strip())
    if match is None:
        return None
    attribute, _, task = (part.strip() for part in (match["rest"] or "").partition(":"))
    return Reference(match["place"], attribute, task)


def is_reference(text: str) -> bool:
    """Whether a text is a reference, and not a name.

    >>> is_reference("./mine.py:MyAgent"), is_reference("pkg.mod:MyAgent"), is_reference("gym:ALE/Pong-v5"), is_reference("core/drqv2")
    (True, True, False, False)
    """
    return parse(text) is not None


def split_task(text: str) -> tuple[str, str]:
    """Suite and task of ``dmc:humanoid_run`` or ``./envs.py:Mazes:easy``; the task may be empty.

    >>> split_task("dmc:humanoid_run"), split_task("pkg.mod:Mazes"), split_task("./envs.py:Mazes:easy")
    (('dmc', 'humanoid_run'), ('pkg.mod:Mazes', ''), ('./envs.py:Mazes', 'easy'))
    """
    reference = parse(text)
    if reference is not None:
        return str(reference), reference.task
    name, _, task = (part.strip() for part in text.partition(":"))
    return name, task


def canonical(text: str) -> str:
    """The canonical reference: an absolute path, or an installed module; a name is unchanged. Nothing is imported."""
    reference = parse(text)
    if reference is None:
        return text
    file = reference.file if reference.file is not None else importing.file_of_module(reference.place)
    place = reference.place if file is None else str(file.resolve())
    return ":".join(part for part in (place, reference.attribute, reference.task) if part)


def beside(value: Any, directory: Path) -> Any:
    """Resolve paths of code in a recipe, which are relative to the directory of the recipe.

    Args:
        value: A text, or a list or tree of texts; anything else is unchanged.
        directory: Directory of the recipe.
    """
    if isinstance(value, list):
        return [beside(item, directory) for item in value]
    if isinstance(value, dict):
        return {key: beside(item, directory) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    plus = "+" if value.startswith("+") else ""
    reference = parse(value.removeprefix("+"))
    if reference is None or reference.file is None or reference.file.is_absolute():
        return value
    if not reference.attribute and reference.file.suffix != ".py":  # root: ./runs
        return value
    place = (directory / reference.file).resolve()
    return plus + ":".join(part for part in (str(place), reference.attribute, reference.task) if part)


def label(name: str) -> str:
    """A short name for display, directories and keys: ``MyAgent``; a name is unchanged.

    >>> label("/home/me/mine.py:MyAgent"), label("object:Sequential-1a2b3c4d"), label("core/drqv2")
    ('MyAgent', 'Sequential', 'core/drqv2')
    """
    reference = parse(name)
    if reference is None:
        return name
    if reference.place == importing.OBJECT:
        return re.sub(r"-[0-9a-f]{8}(?=(-\d+)?$)", "", reference.attribute)
    return reference.attribute.rpartition(".")[2] or Path(reference.place).stem


def bare(name: str) -> str:
    """A short name without its provider, for directories and keys: the same, whichever packages are installed.

    >>> bare("/home/me/mine.py:MyAgent"), bare("core/drqv2"), bare("drqv2")
    ('MyAgent', 'drqv2', 'drqv2')
    """
    return label(name).rpartition("/")[2]


def shown(name: str) -> str:
    """A reference relative to the working directory: ``./mine.py:MyAgent``; a name is unchanged."""
    reference = parse(name)
    if reference is not None and reference.place == importing.OBJECT:
        return label(name)
    if reference is None or reference.file is None:
        return name
    with suppress(ValueError, OSError):
        place = f"./{reference.file.resolve().relative_to(Path.cwd().resolve())}"
        return ":".join(part for part in (place, reference.attribute, reference.task) if part)
    return name


def component(kind: str, text: str, known: Iterable[Component] = ()) -> Component:
    """Import the component of a reference.

    Args:
        kind: ``"agents"``, ``"suites"``, …
        text: The reference; the task of a suite is ignored.
        known: The registered components of this kind, for the options of base classes and the adapters of suites.

    Raises:
        UsageError: If the file, module or attribute does not exist or cannot be imported, or is no component of this kind.
    """
    from unified.core.components.user_code import adopt

    reference = parse(text)
    if reference is None:
        raise UsageError(Problem(f"{text!r} is no reference", "./file.py:Name or package.module:Name"))
    known = list(known)
    reference = Reference(reference.place, reference.attribute)
    return adopt(kind, load(reference, kind, known), canonical(str(reference)), shown(str(reference)), known)


def guess(text: str, known: Iterable[Component] = ()) -> Component:
    """Import the component of a reference of unknown kind.

    Raises:
        UsageError: If it cannot be imported, or is no component of any kind.
    """
    from unified.core.components.user_code import kind_of

    reference = parse(text)
    if reference is None:
        raise UsageError(Problem(f"{text!r} is no reference", "./file.py:Name or package.module:Name"))
    known = list(known)
    kind = kind_of(load(reference, "components", known), known)
    if kind is None:
        raise UsageError(Problem(f"{shown(text)} is no component of any kind", "kinds of components: unified plugins hooks"))
    return component(kind, text, known)


def load(reference: Reference, kind: str, known: Iterable[Component] = ()) -> Any:
    """Import the object of a reference.

    Args:
        reference: The reference.
        kind: Kind of the component, for messages.
        known: The registered components of this kind, for suggestions.

    Raises:
        UsageError: If it cannot be found or imported.
    """
    singular = kind.removesuffix("s")
    if reference.place == importing.OBJECT:
        return _load_object(reference, singular)
    module, place = _load_module(reference), shown(reference.place)
    if not reference.attribute:
        raise UsageError(Problem(f"{place} may contain several objects: name the {singular}", _choices(place, kind, module, known)))
    found: Any = module
    for name in reference.attribute.split("."):
        if not hasattr(found, name):
            hint = did_you_mean(name, _public(found)) or _choices(place, kind, found, known)
            raise UsageError(Problem(f"{place} has no {reference.attribute}", hint))
        found = getattr(found, name)
    return found


def _load_object(reference: Reference, singular: str) -> Any:
    try:
        return importing.import_object(str(reference))
    except (ImportError, AttributeError):
        raise UsageError(Problem(f"{singular} {label(str(reference))}{_GONE}", AGAIN)) from None


def of_another_process(problems: Iterable[Problem]) -> Problem | None:
    """One problem for all objects of another process; ``None`` if there are none."""
    gone = [problem for problem in problems if problem.hint == AGAIN]
    names = [problem.message.removesuffix(_GONE) for problem in gone]
    if len(names) < 2:
        return gone[0] if gone else None
    several = _GONE.replace("was a Python object", "were Python objects")
    return replace(gone[0], message=f"{', '.join(names[:-1])} and {names[-1]}{several}")


def _load_module(reference: Reference) -> Any:
    file = reference.file
    if file is None:
        file = importing.file_of_module(reference.place)
    elif not file.is_file():
        raise UsageError(no_file(reference.place, file))
    try:
        if file is not None:
            return importing.import_file(file)
        with importing.stdout_to_stderr():
            return import_module(reference.place)
    except (UsageError, KeyboardInterrupt):
        raise
    except BaseException as error:  # importing a file may raise anything, SystemExit included
        raise UsageError(_import_problem(reference, file, error)) from error


def no_file(place: str, file: Path) -> Problem:
    """The problem of a reference to a file that does not exist."""
    return Problem(f"there is no file {shown(place)}", _near_files(file))


def _import_problem(reference: Reference, file: Path | None, error: BaseException) -> Problem:
    text = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}".removesuffix(": ")
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if file is None and missing and f"{reference.place}.".startswith(f"{missing}."):
        return Problem(f"there is no module {missing}", "a file needs a path: ./file.py:Name")
    where, line = _where(error, file)
    if where is not None:
        text += f" ({where}, line {line})"
    distribution = distribution_of(reference.place.partition(".")[0]) if file is None else None
    return Problem(f"{shown(reference.place)} cannot be imported: {text}", advice(error, distribution[0] if distribution else ""))


def _where(error: BaseException, file: Path | None) -> tuple[str | None, int | None]:
    """The place of an import error: the last line in the user's file, else the last line of the traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename).name, error.lineno
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [place for place in places if file is not None and place[0] == str(file.resolve())]
    others = [place for place in places if "importlib" not in place[0] and not place[0].startswith(str(Path(__file__).parent))]
    name, line = next(iter([*reversed(own), *reversed(others)]), (None, None))
    return (None if name is None else Path(name).name), line


def _near_files(file: Path) -> str:
    if file.suffix != ".py" and file.with_name(f"{file.name}.py").is_file():
        return f"did you mean  {file}.py ?"
    for start in range(1, len(file.parts)):
        here = Path(*file.parts[start:])
        if here.is_file() and here.resolve() != file.resolve():
            return f"there is {here.resolve()}; in a recipe, a path is relative to the recipe"
    siblings = [sibling.name for sibling in file.parent.glob("*.py")] if file.parent.is_dir() else []
    return did_you_mean(file.name, siblings) or f"the working directory is {Path.cwd()}"


def _choices(place: str, kind: str, module: Any, known: Iterable[Component]) -> str:
    """Suggestions from a module."""
    from unified.core.components.user_code import kind_of

    own = [name for name in _public(module) if getattr(getattr(module, name), "__module__", None) == getattr(module, "__name__", None)]
    fitting = [name for name in own if kind in (kind_of(getattr(module, name), known), "components")] or own
    return f"it has {', '.join(f'{place}:{name}' for name in fitting[:6])}" if fitting else ""


def _public(found: Any) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_")]


def identity(found: Component) -> dict[str, str]:
    """The identity of a component that was given by reference, for the manifest of a run; empty for a registered component.

    For an installed module: its distribution and version. For any other code: its file and the SHA-256 of the file.

    >>> sorted(identity(component("architectures", "torch.nn:Flatten")))   # doctest: +SKIP
    ['distribution', 'provider', 'target', 'version']
    """
    reference = parse(found.target)
    if reference is None or found.origin.provider:
        return {}
    found_identity = {"provider": "", "target": found.target}
    if reference.place == importing.OBJECT:
        obj = importing.import_object(found.target)
        kind = obj if isinstance(obj, type) else type(obj)
        return {**found_identity, "type": f"{kind.__module__}:{kind.__qualname__}"}
    file = reference.file
    if file is None and (installed := distribution_of(reference.place)):
        return {**found_identity, "distribution": installed[0], "version": installed[1]}
    if file is None and reference.place in sys.modules and reference.place.partition(".")[0] not in sys.stdlib_module_names:
        file = importing.file_of(sys.modules[reference.place])
    return {**found_identity, "file": str(file), "sha256": importing.digest(file)} if file is not None else found_identity
