"""Find runs by directory, name or parts of the name, and replays by name."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unified.core.base.errors import Problem, UsageError
from unified.core.components.import_paths import bare, label
from unified.core.replay.saved_index import INDEX, saved_names

CONFIG = "config.json"
#: <root>/<experiment>/<agent>/<suite>/<task>/seed-<n>
DEPTH = 5
DEFAULT_ROOT, DEFAULT_EXPERIMENT = "runs", "default"


def identity_path(experiment: str, agent: str, suite: str, task: str | None, seed: int) -> Path:
    """Path of a run below the root. Special characters become ``-``: ``ALE/Pong-v5`` → ``ALE-Pong-v5``.

    Names are without provider, so that the path does not depend on the installed packages.
    """
    return Path(_directory(experiment), _directory(bare(agent)), _directory(bare(suite)), _directory(task or "default"), f"seed-{seed}")


def recorded_identity(tree: Mapping[str, Any]) -> Path:
    """The same path from the content of a ``config.json``."""
    agent, suite = (value if isinstance(value := tree.get(key), dict) else {} for key in ("agent", "suite"))
    names = (tree.get("experiment"), agent.get("name"), suite.get("name"), suite.get("task"))
    experiment, of_agent, of_suite, task = (name if isinstance(name, str) else "default" for name in names)
    seed = tree.get("seed")
    return identity_path(experiment, of_agent, of_suite, task, seed if isinstance(seed, int) else 0)


def paths(root: Path) -> list[Path]:
    """All runs below `root`, in natural order (seed-2 before seed-10)."""
    folders = [root]
    for _ in range(DEPTH):
        folders = [inner for folder in folders for inner in _folders(folder)]
    found = [path for path in folders if path.name.startswith("seed-") and is_file(path / CONFIG)]
    return sorted(found, key=lambda path: [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))])


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; none if it cannot be read or is gone."""
    try:
        return [folder / entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def relative(path: Path) -> str:
    """Path of a run below the root: ``default/drqv2/dmc/cartpole_balance/seed-1``."""
    return "/".join(path.parts[-DEPTH:])


def shortest_name(path: Path, root: Path) -> str:
    """The shortest text by which `find` currently finds this run; its path if the root is not the default one."""
    if str(root) != DEFAULT_ROOT or len(path.parts) < DEPTH:
        return str(path)
    experiment, agent, suite, task, seed = path.parts[-DEPTH:]
    everything = paths(root)
    for name in (
        task,
        f"{task}/{seed}",
        f"{agent}/{suite}/{task}",
        f"{agent}/{suite}/{task}/{seed}",
        f"{experiment}/{agent}/{suite}/{task}",
    ):
        if _best_matches(name, everything) in ([path], []):
            return name
    return relative(path)


def lasting_name(path: Path, root: Path) -> str:
    """A text by which `find` finds this run also after other runs are created."""
    if str(root) != DEFAULT_ROOT or len(path.parts) < DEPTH:
        return str(path)
    return whole_name(path)


def whole_name(path: Path) -> str:
    """Path of a run below the root, without the default experiment: ``drqv2/dmc/cartpole_balance/seed-1``."""
    return relative(path).removeprefix(f"{DEFAULT_EXPERIMENT}/")


def find(text: str, root: Path, coming: Path | None = None) -> Path:
    """Find a run by directory, name, or parts of its name (``cartpole``, ``drqv2 walker seed-2``, ``dmc:walker_run``).

    Args:
        text: The text to search for.
        root: Directory of all runs.
        coming: A run that is about to be created and counts as existing, so that the result does not change afterwards.

    Raises:
        UsageError: If no run matches or several do, with suggestions.
    """
    if (path := _at(text, root)) is not None:
        return path
    everything = paths(root)
    if not everything:
        raise UsageError(Problem(f"there is no run {text!r}: none at all in {root}", "start one: unified train"))
    if coming is not None and coming not in everything:
        everything.append(coming)
    matches = _fitting(text, everything)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(*_several(text, matches, root))
    near = _nearest(text, everything)
    hint = f"did you mean  {near} ?" if near else "all: unified runs list"
    raise UsageError(Problem(f"there is no run {text!r} in {root}", hint))


def find_replay(name: str, root: Path, coming: Path | None = None) -> Path:
    """Find the directory of a replay by its saved name, by path, or by any name that finds the run which made it (`find`).

    Args:
        name: The text to search for; a saved name comes before the name of a run.
        root: Directory of all runs.
        coming: The run that will load it, which counts as existing, so that the result does not change when it does.

    Raises:
        UsageError: If there is no such replay or several runs match, with the existing names.
    """
    runs = (root / name, root / DEFAULT_EXPERIMENT / name, Path(name).expanduser())
    for directory in (root / "replays" / name, Path(name).expanduser(), *(run / "replay" for run in runs)):
        if is_file(directory / INDEX):
            return directory
    names = saved_names(root)
    matches = [run for run in runs if is_file(run / CONFIG)][:1]
    if not matches:
        matches = _fitting(name, [*dict.fromkeys([*paths(root), *([] if coming is None else [coming])])])
    option = f"replay.load={name}"
    if len(matches) > 1:
        first, *others = _several(name, matches, root)
        raise UsageError(Problem(f"replay.load: {first.message}"), *others)
    if matches and matches[0] == coming:
        raise UsageError(Problem(f"{option} would be this run itself", "the whole name of another one: unified runs list"))
    if matches and is_file(matches[0] / "replay" / INDEX):
        return matches[0] / "replay"
    if matches:
        held = f"saved in {root}: {', '.join(names) or 'none'}"
        raise UsageError(Problem(f"{option}: run {whole_name(matches[0])} holds no replay", held))
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean  {near[0]} ?" if near else f"saved in {root}: {', '.join(names) or 'none'}; or a run: unified runs list"
    raise UsageError(Problem(f"{option}: there is no such replay", hint))


def _at(text: str, root: Path) -> Path | None:
    """The run whose directory or whole path below the root this is."""
    direct = Path(text).expanduser()
    if direct.name == CONFIG:
        direct = direct.parent
    return next((path for path in (direct, root / text) if is_file(path / CONFIG)), None)


def _fitting(text: str, everything: Iterable[Path]) -> list[Path]:
    """The runs that a name, or parts of one, fits best; a single one where it is the beginning of one name alone."""
    matches = _best_matches(text, everything)
    prefixed = [path for path in matches if _has_prefix(text, path)]
    return prefixed if len(prefixed) == 1 else matches


def _several(text: str, matches: Sequence[Path], root: Path) -> list[Problem]:
    """That a name fits several runs, and which."""
    listed = [Problem(f"  {_typed(path, root)}") for path in matches[:20]]
    more = [Problem(f"  and {len(matches) - 20} more: unified runs list")] if len(matches) > 20 else []
    return [Problem(f"{text!r} fits {len(matches)} runs; name one of them:"), *listed, *more]


def is_file(path: Path) -> bool:
    """Whether a path is a file; ``False`` for invalid names and without permission."""
    try:
        return path.is_file()
    except OSError:
        return False


def _has_prefix(text: str, path: Path) -> bool:
    """Whether the path of a run below the root begins with `text`; the default experiment may be omitted."""
    words, parts = text.strip("/").split("/"), list(path.parts[-DEPTH:])
    return words == parts[: len(words)] or [DEFAULT_EXPERIMENT, *words] == parts[: len(words) + 1]


def _best_matches(text: str, everything: Iterable[Path]) -> list[Path]:
    """Runs whose path has every word of `text` as a part, else as the beginning of a part, else within a part."""
    plain = re.sub(r"\b(experiment|agent|suite|task)=", "", text.lower()).replace("=", "-")
    words = [word for word in re.split(r"[/:,\s]+", plain) if word]
    graded: dict[int, list[Path]] = {}
    for path in everything:
        grades = [min((_grade(word, part.lower()) for part in path.parts[-DEPTH:]), default=3) for word in words]
        graded.setdefault(max(grades, default=3), []).append(path)
    return next((graded[grade] for grade in (0, 1, 2) if grade in graded), [])


def _grade(word: str, part: str) -> int:
    """0: equal; 1: beginning of the part; 2: within the part; 3: no match. Seeds have to be equal (1 does not match 10)."""
    if word == part or (part.startswith("seed-") and word == part.removeprefix("seed-")):
        return 0
    if part.startswith("seed-"):
        return 3
    return 1 if part.startswith(word) else 2 if word in part else 3


def _nearest(text: str, everything: Iterable[Path]) -> str | None:
    known: dict[str, None] = {}
    for path in everything:
        known.update(dict.fromkeys([*path.parts[-DEPTH:-1], ":".join(path.parts[-3:-1]), relative(path)]))
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    return near[0] if near else None


def _typed(path: Path, root: Path) -> str:
    """An unambiguous name."""
    return relative(path) if str(root) == DEFAULT_ROOT else str(path)


def _directory(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", label(name)).strip("-.") or "default"
