"""Files of D4RL and of others in its form: HDF5 with one row for each step. Source: Fu et al. 2020, arXiv:2004.07219.

`observations`, `actions` and `rewards` have one row for each step; `terminals` are ends that count, `timeouts` those of a time limit.
Where a file has `next_observations`, they are what a step led to; without them the next row is, within an episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.logged import is_file
from unified.logged.episodes import Array, LoggedData, Piece, as_slots

#: Rows that are read at a time, about.
ROWS = 5_000
_COLUMNS = ("observations", "actions", "rewards", "terminals")


def check(name: str) -> None:
    """Refuse what is no file, or no file of this form.

    Raises:
        UsageError: With what is missing.
    """
    import h5py

    path = Path(name).expanduser()
    if not is_file(path):
        raise UsageError(Problem(f"there is no file {path}", "the path of an HDF5 file"))
    try:
        with h5py.File(path) as file:
            columns = {column: len(file[column]) for column in file if isinstance(file[column], h5py.Dataset) and file[column].shape}
    except OSError as error:
        raise UsageError(Problem(f"{path} is no HDF5 file, or damaged: {error}", "put back a copy of it")) from error
    if missing := [column for column in _COLUMNS if column not in columns]:
        raise UsageError(Problem(f"{path} has no {', '.join(missing)}; it has {', '.join(columns) or 'nothing'}", "a file of D4RL's form"))
    used = {column: columns[column] for column in (*_COLUMNS, "timeouts", "next_observations") if column in columns}
    if len(set(used.values())) > 1 or not used["rewards"]:
        rows = ", ".join(f"{column} {count}" for column, count in used.items())
        raise UsageError(Problem(f"{path} has columns of different lengths, or no row: {rows}", "put back a copy of it"))
    if "timeouts" not in columns and "next_observations" not in columns:
        what = f"{path} has neither timeouts nor next_observations, so that nobody knows where an episode was cut off"
        raise UsageError(Problem(what, "add the column timeouts, true in the last row of each episode with a time limit"))


def open_data(name: str) -> LoggedData:
    """The episodes of a file."""
    return D4RLData(Path(name).expanduser())


class D4RLData(LoggedData):
    """The episodes of a file; what is read of it at first is where they end.

    Without `timeouts`, an episode ends where the next observation is not that of the next row.

    Args:
        path: Of the file, which `check` accepts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._file() as file:
            self.has_next = "next_observations" in file
            self.terminated = np.asarray(file["terminals"]).astype(bool).ravel()
            self.ends = self.terminated.copy()
            self.ends |= np.asarray(file["timeouts"]).astype(bool).ravel() if "timeouts" in file else self._jumps(file)
        self.ends[-1] = True
        self.slots = len(self.ends) + int((self.ends if self.has_next else self.ends & self.terminated).sum())

    def pieces(self) -> Iterator[Piece]:
        stops = np.flatnonzero(self.ends) + 1
        start = 0
        with self._file() as file:
            while start < len(self.ends):
                stop = int(stops[min(np.searchsorted(stops, start + ROWS), len(stops) - 1)])
                yield self._piece(file, slice(start, stop))
                start = stop

    def _piece(self, file: Any, rows: slice) -> Piece:
        def read(column: str) -> Array:
            found: Array = file[column][rows]
            return found.reshape(len(found)) if column == "rewards" else found  # some files have (N, 1)

        final = partial(read, "next_observations") if self.has_next else None
        return as_slots(read, self.ends[rows], self.terminated[rows], final)

    def _jumps(self, file: Any) -> Array:
        """Rows whose next observation is not that of the next row."""
        found = np.zeros(len(self.ends), bool)
        for start in range(0, len(found) - 1, ROWS):
            stop = min(start + ROWS, len(found) - 1)
            after, following = file["next_observations"][start:stop], file["observations"][start + 1 : stop + 1]
            found[start:stop] = (after != following).reshape(stop - start, -1).any(axis=1)
        return found

    def _file(self) -> Any:
        import h5py

        return h5py.File(self.path)
