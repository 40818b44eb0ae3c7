"""Names and indices of saved replays. Imports no torch because it runs before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unified.core.base.errors import Problem, StorageError, UsageError, error_text
from unified.core.base.files import conform, read_json
from unified.core.base.spec import Spec

#: Says what a directory of segments holds.
INDEX = "index.json"
_SHAPE = {"spec": {}, "cut": {"head": [int], "tail": [int], "segments": [{"file": str}]}}


def read_index(directory: Path) -> dict[str, Any]:
    """The content of ``index.json``; its snapshot is checked as far as its rows are counted.

    Raises:
        StorageError: If it cannot be read or is malformed.
    """
    try:
        index: dict[str, Any] = read_json(directory / INDEX, _SHAPE, limit=1 << 28)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise StorageError(Problem(f"{directory / INDEX} cannot be read: {why}", "put back a copy of it")) from error
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


def spec_and_rows(index: Mapping[str, Any], where: object) -> tuple[Spec, int]:
    """The spec of the task of stored rows, and the number of their slots.

    Args:
        index: Their ``spec`` and their snapshot ``cut``.
        where: Its origin, for the error.

    Raises:
        StorageError: If it is malformed.
    """
    try:
        snapshot = conform(index, _SHAPE)["cut"]
        return Spec.from_json(index["spec"]), sum(head - tail for head, tail in zip(snapshot["head"], snapshot["tail"], strict=True))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(Problem(f"{where} describes no stored rows: {error_text(error)}", "put back a copy of it")) from error
