"""`unified plugins new`: write an installable package with working components of one or several kinds."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.components.filters import same
from unified.core.components.hookspecs import API_VERSION
from unified.core.registry import registry
from unified.terminal import echo
from unified.version import __version__

#: One folder for each kind, and one for the files of every package. In a path, ``package`` stands for ``src/<package>`` and ``dot_`` for a
#: leading dot. ``register`` holds the hook of a kind and ``options`` its model: parts of files that the kinds of a package share.
TEMPLATES = Path(__file__).parent / "templates"
COMMON, SUFFIX = "common", ".template"
REGISTER, OPTIONS = "register.template", "options.template"

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 40
_WIDTH = 140


@dataclass(frozen=True)
class Kind:
    """A kind of component that a package can have.

    Args:
        module: The module to change first.
        example: A command that uses the component.
        options: The base class of its options, ``"module:Name"``; empty if it has none.
    """

    module: str
    example: str
    options: str = ""

    @property
    def has_class(self) -> bool:
        """Whether the component is a class of the package."""
        return self.module not in ("recipe.yaml", "command.py")


#: A small agent on a task with vector observations.
_WITH_DRQV2 = "unified train --agent drqv2 --suite gym:Pendulum-v1 train.frames=5000 agent.hidden_dim=64"
KINDS = {
    "agent": Kind("agent.py", "unified train --agent $name --suite gym:Pendulum-v1 train.frames=5000", "unified.agents:ActorCriticOptions"),
    "suite": Kind(
        "environment.py", "unified train --agent drqv2 --suite $name:centre train.frames=5000 agent.hidden_dim=64", "unified:Options"
    ),
    "architecture": Kind("network.py", f"{_WITH_DRQV2} encoder=$name"),
    "objective": Kind("objective.py", f"{_WITH_DRQV2} encoder=mlp -o +$name"),
    "sampler": Kind("sampler.py", "unified train --agent dqn --suite gym:CartPole-v1 train.frames=5000 replay.sampler=$name"),
    "callback": Kind("callback.py", f"{_WITH_DRQV2} callbacks=[+$name]", "unified:Options"),
    "launcher": Kind("launcher.py", f"{_WITH_DRQV2} launcher=$name", "unified:Options"),
    "recipe": Kind("recipe.yaml", "unified train -r $name"),
    "command": Kind("command.py", "unified $name Pendulum-v1"),
}


def new(
    name: Annotated[str, typer.Argument(help="Name of the package and its components: lower-case letters, digits, - and _.")],
    kind: Annotated[str, typer.Option("--kind", "-k", help=f"Kinds of components, separated by commas: {', '.join(KINDS)}.")],
    path: Annotated[Path, typer.Option(help="Directory in which the folder of the package is made.")] = Path("."),
    class_: Annotated[str | None, typer.Option("--class", help="Name of the Python class, such as TD3.")] = None,
) -> None:
    """Write an installable package with working components, their tests and a CI file."""
    kinds = check(name, kind, class_)
    folder = path / distribution_of(name)
    files = render(name, kinds, class_)
    write(folder, files)
    echo(f"wrote {folder}/")
    for file in sorted(files):
        echo(f"  {file}")
    echo(f"\nstart with {_listed(f'{src(name)}/{KINDS[each].module}' for each in kinds)}; next commands:")
    for command in next_commands(name, kinds, folder):
        echo(f"  {command}")


def next_commands(name: str, kinds: Sequence[str], folder: Path) -> list[str]:
    """The commands that install, check and run a new package."""
    return [
        f"cd {folder}",
        "pip install -e '.[dev]'",
        "unified plugins list",
        f"unified plugins check {name}",
        *(_example(kind, name) for kind in kinds),
        "pytest",
    ]


def distribution_of(name: str) -> str:
    """The name for pip, which is also the name of the folder."""
    return f"unified-plugin-{name}".replace("_", "-")


def package_of(name: str) -> str:
    """The name of the Python package."""
    return distribution_of(name).replace("-", "_")


def src(name: str) -> str:
    """The directory of the code within the folder."""
    return f"src/{package_of(name)}"


def check(name: str, kind: str, class_: str | None = None) -> list[str]:
    """The kinds, if a package of this name can be written for them.

    Args:
        name: Name of the package and its components.
        kind: One kind or several, separated by commas, in the singular or plural.
        class_: Name of the Python class; derived from `name` by default.

    Raises:
        UsageError: If a kind is unknown, or a name is not allowed or taken.
    """
    kinds = list(dict.fromkeys(each.strip().removesuffix("s") for each in kind.split(",")))
    problems = [problem for each in kinds for problem in _kind_problems(each)]
    problems += [*_name_problems(name), *_class_problems(class_, kinds)]
    if problems:
        raise UsageError(*problems)
    names = registry()
    for each in kinds:
        for component in names.all(f"{each}s"):
            if component.name == name:
                raise UsageError(Problem(f"{component} exists already, in {component.origin}", _another(name)))
    for plugin in names.plugins:
        if plugin.provider == name or same(plugin.distribution, distribution_of(name)):
            raise UsageError(Problem(f"a plugin {plugin.provider!r} is installed already: {plugin}", _another(name)))
    return kinds


def _kind_problems(kind: str) -> Iterator[Problem]:
    if kind not in KINDS:
        yield Problem(f"there is no kind {kind!r}", suggest.did_you_mean(kind, KINDS) or f"one of {', '.join(KINDS)}")


def _name_problems(name: str) -> Iterator[Problem]:
    if _NAME.fullmatch(name) and len(name) <= _LONGEST and not name.startswith("unified-plugin"):
        return
    plain = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())
    plain = re.sub(r"^(unified-plugin-?)?[0-9-]*", "", plain)[:_LONGEST].strip("-")
    allowed = f"lower-case letters, digits, - and _, at most {_LONGEST}, a letter first"
    yield Problem(f"the name {name!r} cannot be used", f"did you mean  {plain} ?   {allowed}" if plain else allowed)


def _class_problems(class_: str | None, kinds: Sequence[str]) -> Iterator[Problem]:
    if class_ is None or any(kind not in KINDS for kind in kinds):
        return
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", class_) or len(class_) > _LONGEST or class_ in dir(builtins) or keyword.iskeyword(class_):
        yield Problem(f"the class name {class_!r} cannot be used", "letters and digits, an upper-case letter first, for example TD3")
    elif not any(KINDS[kind].has_class for kind in kinds):
        yield Problem(f"--class {class_}: {_listed(kinds)} without a class", "leave --class out")
    elif len(kinds) == 1 and class_ in _words(kinds[0]):
        yield Problem(f"the class name {class_!r} is used by the code of the package", f"for example  {class_}{kinds[0].capitalize()}")


def _another(name: str) -> str:
    return f"choose another name, for example  my-{name}"


def _example(kind: str, name: str) -> str:
    return Template(KINDS[kind].example).substitute(name=name)


def render(name: str, kinds: Sequence[str], class_: str | None = None) -> dict[str, str]:
    """The text of each file by its path within the folder of the package.

    Args:
        name: Checked by `check`.
        kinds: Keys of `KINDS`.
        class_: Name of the Python class; with several kinds the kind is appended to it.
    """
    own = {"agent": name} if "agent" in kinds else {"agent": "drqv2"}
    values = own | {
        "name": name,
        "kinds": _listed(kinds),
        "task": f"{name}:centre" if "suite" in kinds else "gym:Pendulum-v1",
        "function": f"{name}_command".replace("-", "_"),
        "distribution": distribution_of(name),
        "package": package_of(name),
        "modules": _listed(f"`{src(name)}/{KINDS[kind].module}`" for kind in kinds),
        "examples": "\n".join(f"$ {_example(kind, name)}" for kind in kinds),
        "year": str(date.today().year),
        "version": ".".join(__version__.split(".")[:2]),
        "api": str(API_VERSION),
    }
    values |= {f"{kind.capitalize()}Class": class_of(name, kind, class_, alone=len(kinds) == 1) for kind in KINDS if KINDS[kind].has_class}
    values |= {name: Template(text).substitute(values) for name, text in _shared(kinds).items()}
    files: dict[str, str] = {}
    for root in (TEMPLATES / COMMON, *(TEMPLATES / kind for kind in kinds)):
        for path in sorted(root.rglob(f"*{SUFFIX}")):
            if path.name not in (REGISTER, OPTIONS):
                files[_place(path.relative_to(root), name)] = Template(path.read_text(encoding="utf-8")).substitute(values)
    if not values["options"]:
        del files[f"{src(name)}/config.py"]
    return files


def _shared(kinds: Sequence[str]) -> dict[str, str]:
    """The hooks and options of the kinds, and what they import."""
    register = [(TEMPLATES / kind / REGISTER).read_text(encoding="utf-8").strip() for kind in kinds]
    options = [(TEMPLATES / kind / OPTIONS).read_text(encoding="utf-8").strip() for kind in kinds if KINDS[kind].options]
    bases = sorted({tuple(KINDS[kind].options.split(":")) for kind in kinds if KINDS[kind].options})
    return {
        "hooks": "\n\n\n".join(register),
        "path_import": "from pathlib import Path\n" if "recipe" in kinds else "",
        "imports": _imported([*(f"{kind.capitalize()}Component" for kind in kinds), "hookimpl"]),
        "options": "\n\n\n".join(options),
        "option_imports": "\n".join(f"from {module} import {name}" for module, name in bases),
    }


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _imported(names: Iterable[str]) -> str:
    """The names of an import, sorted and wrapped as ruff does."""
    ordered = sorted(set(names))
    line = ", ".join(ordered)
    if len("from unified import ") + len(line) <= _WIDTH:
        return line
    return "(\n" + "".join(f"    {name},\n" for name in ordered) + ")"


def class_of(name: str, kind: str, class_: str | None = None, *, alone: bool = True) -> str:
    """The name of the class of a component.

    Args:
        name: Name of the package.
        kind: Kind of the component.
        class_: The name that the user chose.
        alone: Whether the package has this kind only; else the kind is appended. It is also appended to a derived name that the code of
            the package uses already.
    """
    camel = class_ or "".join(word.capitalize() for word in re.split(r"[_-]", name))
    taken = camel in _words(kind) or keyword.iskeyword(camel) or hasattr(builtins, camel)
    return camel if alone and not taken else f"{camel}{kind.capitalize()}"


def _words(kind: str) -> set[str]:
    """The words of the templates of a kind."""
    return {word for path in (TEMPLATES / kind).rglob(f"*{SUFFIX}") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


def _place(path: Path, name: str) -> str:
    parts = [f".{part.removeprefix('dot_')}" if part.startswith("dot_") else part for part in path.parts]
    if parts[0] == "package":
        parts[0] = src(name)
    return "/".join(parts).removesuffix(SUFFIX)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write the files into a new folder.

    Raises:
        UsageError: If the folder exists; nothing is overwritten.
        UnifiedError: If a file cannot be written.
    """
    if folder.exists():
        raise UsageError(Problem(f"{folder} exists already: nothing was written", "remove it, or choose another directory: --path DIR"))
    try:
        for file, text in files.items():
            place = folder / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnifiedError(Problem(f"{folder} cannot be written: {error}", "choose another directory: --path DIR")) from error
