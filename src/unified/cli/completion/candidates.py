"""Completion candidates: names, tasks, runs, checkpoints, files. Torch-free."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from unified.core.base.errors import UnifiedError
from unified.core.base.files import read_file
from unified.core.components.descriptors import KINDS, SuiteComponent
from unified.core.registry import CORE, registry

#: With more runs, directories are listed, since computing the shortest names would take too long.
MANY_RUNS = 100


class Candidate(NamedTuple):
    """A completion candidate.

    Args:
        value: The whole word; after one of ``= : . , / [ +`` at its end no space is inserted.
        help: A line of help, for shells that show it.
    """

    value: str
    help: str = ""


def fitting(found: Iterable[Candidate], typed: str) -> list[Candidate]:
    """The candidates that begin with the typed text, without duplicates."""
    return list({candidate.value: candidate for candidate in found if candidate.value.startswith(typed)}.values())


def behind(prefix: str, found: Iterable[Candidate]) -> list[Candidate]:
    """The candidates with a prefix before each."""
    return [Candidate(prefix + candidate.value, candidate.help) for candidate in found]


# Components -----------------------------------------------------------------------------------------------------------------


def names(kind: str, typed: str, key: str = "") -> list[Candidate]:
    """Names of a kind that fit a key, tasks after the colon of a suite, files after ``./`` and their definitions after the colon."""
    if typed.startswith((".", "/", "~")):
        return _references(typed)
    if kind == "suites":
        return _suites(typed)
    known = registry()
    components = known.all(kind)
    fit = [each for each in components if key.endswith(getattr(each, "places", ()))]
    return fitting((Candidate(known.name_of(component), component.summary) for component in fit or components), typed)


def _suites(typed: str) -> list[Candidate]:
    known, (suite, colon, _) = registry(), typed.partition(":")
    found = []
    for component in known.all("suites"):
        assert isinstance(component, SuiteComponent)
        name = known.name_of(component)
        try:
            tasks = component.load_tasks()
        except UnifiedError:
            continue
        if not colon:
            found.append(Candidate(name if tasks == () else f"{name}:", component.summary))
        elif name == suite:
            some = tasks if tasks is not None else filter(None, [component.example])  # any name may be a task: show the example
            found += [Candidate(f"{name}:{task}") for task in some]
    return fitting(found, typed)


def listed(kind: str, typed: str) -> list[Candidate]:
    """Items of a list of names, ``[+tensorboard`` or ``[td,dpg``; one name without a bracket."""
    start = max(typed.rfind("["), typed.rfind(",")) + 1
    before, item = typed[:start], typed[start:]
    plus = "+" if item.startswith("+") else ""
    chosen = {name.strip("[+ ") for name in before.split(",")}
    found = [each for each in names(kind, item.removeprefix("+")) if each.value not in chosen]
    if len(found) == 1 and before.startswith("["):  # the list ends or continues
        return behind(before + plus, [Candidate(found[0].value + end, found[0].help) for end in ("]", ",")])
    openings = [Candidate("[+", "add to the list"), Candidate("[", "replace the list")] if not typed else []
    return [*openings, *behind(before + plus, found)]


def everything(typed: str) -> list[Candidate]:
    """Every component and every plugin."""
    known = registry()
    components = [Candidate(known.name_of(component), component.summary) for kind in KINDS for component in known.all(kind)]
    return fitting([*components, *(Candidate(plugin.provider, f"plugin, {plugin.state}") for plugin in known.plugins)], typed)


def plugins(typed: str) -> list[Candidate]:
    """Plugins that ``-p no:`` can disable."""
    providers = (plugin.provider for plugin in registry().plugins if plugin.provider != CORE)
    return fitting([Candidate(f"no:{provider}", "leave it out") for provider in providers], typed)


def recipes(typed: str) -> list[Candidate]:
    """Names of recipes, and files and directories that can be recipes."""
    return [*names("recipes", typed), *files(typed, (".yaml", ".yml", ".json"))] if not typed.startswith((".", "/", "~")) else files(typed)


# Runs -----------------------------------------------------------------------------------------------------------------------


def runs(typed: str, root: Path) -> list[Candidate]:
    """Runs below a root by their shortest names, or by directories if a directory is typed."""
    from unified.core.runs import lookup

    found = lookup.paths(root)
    if "/" in typed or len(found) > MANY_RUNS:
        return fitting((Candidate(lookup.relative(path)) for path in found), typed)
    return fitting((Candidate(lookup.shortest_name(path, root), lookup.relative(path)) for path in found), typed)


def checkpoints(typed: str, run: str | None, root: Path) -> list[Candidate]:
    """``best``, ``newest``, and the frames of the checkpoints of a run."""
    from unified.core.runs.run import Run

    saved = []
    if run is not None:
        try:
            saved = [Candidate(str(number), "frames") for number in Run.find(run, root).checkpoints.frames()]
        except UnifiedError:
            saved = []
    return fitting([Candidate("best"), Candidate("newest"), *saved], typed)


# Files ----------------------------------------------------------------------------------------------------------------------


def files(typed: str, suffixes: Sequence[str] | None = None) -> list[Candidate]:
    """Files with these endings and directories; hidden ones only after a dot."""
    folder, _, start = typed.rpartition("/")
    place = Path(os.path.expanduser(f"{folder}/" if "/" in typed else "."))
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    found = []
    for entry in entries:
        hidden_dim = entry.name.startswith(".") and not start.startswith(".")
        if hidden_dim or not (entry.is_dir() or suffixes is None or entry.name.endswith(tuple(suffixes))):
            continue
        found.append(Candidate(f"{folder}/{entry.name}" if "/" in typed else entry.name))
        if entry.is_dir():
            found[-1] = Candidate(f"{found[-1].value}/")
    return fitting(found, typed)


def _references(typed: str) -> list[Candidate]:
    """``./mine.py:`` with the classes and functions of the file, which is parsed and not executed."""
    path, colon, _ = typed.partition(":")
    if not colon:
        return [each if each.value.endswith("/") else Candidate(f"{each.value}:") for each in files(typed, (".py",))]
    return fitting((Candidate(f"{path}:{name}", about) for name, about in _defined(Path(path).expanduser())), typed)


def _defined(path: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(read_file(path, 1 << 20, follow=True))
    except (OSError, SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, (ast.get_docstring(node) or "").partition("\n")[0]
