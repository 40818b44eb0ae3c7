"""Names and indices of saved replays. Imports no torch because it runs before anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unified.core.base.errors import Problem, UsageError

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
    if name != Path(name).name or name.startswith(".") or name != name.strip() or len(name.encode()) > 200:
        raise UsageError(Problem(f"replay.save={name} is no name", "a short name without slashes that does not start with a dot"))
    target = Path(root, "replays", name)
    if target.exists() and not ((target / INDEX).is_file() and read_index(target).get("source") == str(Path(source).absolute())):
        raise UsageError(Problem(f"replay.save={name} exists in {target}", "another name; a saved replay is never written over"))


def spec_of(directory: Path) -> dict[str, Any]:
    """The spec of the task of a saved replay, as `Spec.to_json` writes it."""
    spec: dict[str, Any] = read_index(directory)["spec"]
    return spec


def rows_of(directory: Path) -> int:
    """Number of slots of a saved replay."""
    snapshot = read_index(directory)["cut"]
    return sum(int(head) - int(tail) for head, tail in zip(snapshot["head"], snapshot["tail"], strict=True))
