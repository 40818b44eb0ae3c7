"""Replays that can be loaded into a run, by name: those saved under a root, and those of runs. Torch-free, for it is asked first."""

from __future__ import annotations

import contextlib
import difflib
import json
from pathlib import Path
from typing import Any

from unified.core.errors import Problem, UsageError
from unified.core.run import lookup

#: Says what a directory of segments holds.
INDEX = "index.json"


def read_index(directory: Path) -> dict[str, Any]:
    """What ``index.json`` says."""
    try:
        index: dict[str, Any] = json.loads((directory / INDEX).read_text())
        if not isinstance(index["cut"]["segments"], list):
            raise ValueError("no segments")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(Problem(f"{directory / INDEX} cannot be read: {error}", "put back a copy of it")) from error
    return index


def saved_names(root: str | Path) -> list[str]:
    """Names of the replays saved under a root of runs."""
    return sorted(path.parent.name for path in Path(root, "replays").glob(f"*/{INDEX}"))


def check_free(root: str | Path, name: str, source: str | Path) -> None:
    """Refuse a name that cannot be saved under: ill-formed, or taken by the replay of another run than `source`.

    Raises:
        UsageError: At the start of a run rather than at its end.
    """
    if name != Path(name).name or name.startswith("."):
        raise UsageError(Problem(f"replay.save={name} is no name", "a name without slashes that does not start with a dot"))
    target = Path(root, "replays", name)
    if target.exists() and not ((target / INDEX).is_file() and read_index(target).get("source") == str(Path(source).absolute())):
        raise UsageError(Problem(f"replay.save={name} exists in {target}", "another name; a saved replay is never written over"))


def find_named(root: str | Path, name: str) -> Path:
    """The directory of a replay: a saved name, the whole name of a run under `root`, or the path of either.

    A run's name is not looked for by parts of it: a configuration has to mean the same replay whatever runs come after it.

    Raises:
        UsageError: If there is none, with the names there are.
    """
    root = Path(root)
    runs = (root / name, root / lookup.DEFAULT_EXPERIMENT / name, Path(name))
    for directory in (root / "replays" / name, Path(name), *(run / "replay" for run in runs)):
        if lookup.is_file(directory / INDEX):
            return directory
    names = saved_names(root)
    if any(lookup.is_file(run / lookup.CONFIG) for run in runs):
        raise UsageError(Problem(f"replay.load={name}: this run holds no replay", f"saved in {root}: {', '.join(names) or 'none'}"))
    near = difflib.get_close_matches(name, names, 1) or _runs_meant(root, name)
    hint = (
        f"did you mean  {near[0]} ?"
        if near
        else f"saved in {root}: {', '.join(names) or 'none'}; or a run's whole name, [EXPERIMENT/]AGENT/SUITE/TASK/seed-N"
    )
    raise UsageError(Problem(f"replay.load={name}: there is no such replay", hint))


def _runs_meant(root: Path, name: str) -> list[str]:
    """The whole name of the one run with a replay that a part of its name fits."""
    with contextlib.suppress(UsageError):
        run = lookup.find(name, root)
        if lookup.is_file(run / "replay" / INDEX):
            return [lookup.whole_name(run)]
    return []


def named_spec(root: str | Path, name: str) -> dict[str, Any]:
    """What the task of a kept replay looks like, as `Spec.to_json` says it."""
    spec: dict[str, Any] = read_index(find_named(root, name))["spec"]
    return spec


def named_rows(root: str | Path, name: str) -> int:
    """Slots that a kept replay holds."""
    cut = read_index(find_named(root, name))["cut"]
    return sum(int(head) - int(tail) for head, tail in zip(cut["head"], cut["tail"], strict=True))
