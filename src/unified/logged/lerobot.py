"""Data sets of LeRobot: a directory with ``meta/info.json`` and parquet files of frames. Source: Cadene et al. 2024, versions 2 and 3.

A frame is one step: ``observation.*``, ``action``, ``episode_index``, and where it was logged ``next.reward``, ``next.done`` and
``next.success``. What came after the last frame of an episode is not there. Pictures, which lie in videos, are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.logged import is_file
from unified.logged.episodes import Array, LoggedData, Piece, as_slots

INFO = Path("meta", "info.json")


def check(name: str) -> None:
    """Refuse what is no such directory.

    Raises:
        UsageError: With what is missing.
    """
    path = Path(name).expanduser()
    if not is_file(path / INFO):
        raise UsageError(Problem(f"there is no {path / INFO}", "the directory of a LeRobot data set"))
    features = _features(path)
    seen = _observed(features)
    if missing := [column for column, there in (("action", "action" in features), ("observation.state", bool(seen))) if not there]:
        raise UsageError(
            Problem(f"{path} has no {' and no '.join(missing)} in numbers; it has {', '.join(features) or 'nothing'}", "another")
        )
    if not _files(path):
        raise UsageError(Problem(f"there is no parquet file below {path / 'data'}", "put back a copy of it"))


def open_data(name: str) -> LoggedData:
    """The episodes of a directory."""
    return LeRobotData(Path(name).expanduser())


class LeRobotData(LoggedData):
    """The episodes of a directory; its columns of numbers ``observation.*`` are one vector, in the order of ``info.json``.

    The last frame of an episode terminated where ``next.done`` is true and ``next.success``, if it is there, too; otherwise the episode was
    cut off. Rewards that were not logged are 0.

    Args:
        path: Of the directory, which `check` accepts.
    """

    def __init__(self, path: Path) -> None:
        features = _features(path)
        self.path, self.observed = path, _observed(features)
        self.flags = [name for name in ("next.done", "next.success") if name in features]
        self.rewarded = "next.reward" in features
        self.slots = sum(count + int((ends & terminated).sum()) for count, ends, terminated in map(self._ends, _files(path)))

    def pieces(self) -> Iterator[Piece]:
        for file in _files(self.path):
            columns = [*self.observed, "action", *(["next.reward"] if self.rewarded else [])]
            count, ends, terminated = self._ends(file)
            table = _table(file, columns)

            def read(name: str, table: Any = table, count: int = count) -> Array:
                if name == "observations":
                    return np.concatenate([_numbers(table, column).reshape(count, -1) for column in self.observed], axis=1)
                if name == "actions":
                    return _numbers(table, "action")
                return _numbers(table, "next.reward").reshape(count) if self.rewarded else np.zeros(count, np.float32)

            yield as_slots(read, ends, terminated, None)

    def _ends(self, file: Path) -> tuple[int, Array, Array]:
        """Rows of a file, and which of them end an episode, and which terminated."""
        table = _table(file, ["episode_index", *self.flags])
        episode = _numbers(table, "episode_index").ravel()
        ends = np.append(episode[1:] != episode[:-1], True)
        terminated = (
            np.logical_and.reduce([_numbers(table, name).astype(bool).ravel() for name in self.flags]) if self.flags else ends & False
        )
        return len(ends), ends, terminated & ends


def _features(path: Path) -> dict[str, Any]:
    try:
        features: dict[str, Any] = json.loads((path / INFO).read_text(encoding="utf-8"))["features"]
        return dict(features)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(Problem(f"{path / INFO} cannot be read: {error}", "put back a copy of it")) from error


def _observed(features: dict[str, Any]) -> list[str]:
    """Columns of observations that are numbers."""
    return [
        name
        for name, about in features.items()
        if name.startswith("observation.") and str(about.get("dtype", "")).startswith(("float", "int"))
    ]


def _files(path: Path) -> list[Path]:
    return sorted((path / "data").rglob("*.parquet"))


def _table(file: Path, columns: list[str]) -> Any:
    from pyarrow import ArrowException, parquet

    try:
        return parquet.read_table(file, columns=columns)
    except (ArrowException, OSError, KeyError) as error:
        raise UsageError(Problem(f"{file} cannot be read: {error}", "put back a copy of it")) from error


def _numbers(table: Any, name: str) -> Array:
    """A column as an array ``(N, …)``; lists of one length are rows."""
    import pyarrow

    column = table.column(name).combine_chunks()
    if isinstance(column, pyarrow.ChunkedArray):
        column = pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)
    shape = [len(column)]
    while pyarrow.types.is_list(column.type) or pyarrow.types.is_fixed_size_list(column.type) or pyarrow.types.is_large_list(column.type):
        inner = column.flatten()
        shape.append(len(inner) // max(len(column), 1))
        column = inner
    numbers: Array = column.to_numpy(zero_copy_only=False)
    if numbers.size != int(np.prod(shape)):
        raise UsageError(Problem(f"column {name} has rows of different lengths", "a column whose rows are equally long"))
    return numbers.reshape(shape)
