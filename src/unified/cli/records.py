"""Records of runs for lists and plots, read from their directories, so that runs of missing plugins can be listed too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from unified import units
from unified.core.base.errors import StorageError, UnifiedError
from unified.core.base.files import has_shape
from unified.core.runs.run import Run
from unified.plotting import rows_of

FILES = ("events.jsonl", "metrics.jsonl", "config.json")

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """A run whose files are read once."""

    run: Run
    _unreadable: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def path(self) -> Path:
        return self.run.path

    @property
    def task(self) -> str:
        """Suite and task, as in ``dmc:walker_walk``."""
        return ":".join(self.run.identity[2:4])

    @property
    def seed(self) -> str:
        return self.run.identity[4].removeprefix("seed-")

    @property
    def group(self) -> tuple[str, str, str]:
        """Experiment, agent and task: the same for all seeds."""
        return self.run.identity[0], self.run.identity[1], self.task

    @cached_property
    def damage(self) -> str:
        """One line about files that cannot be read, or about damaged rows of metrics if all were read; else empty."""
        self._read(lambda: self.run.tree, {})
        self.frames, self.best  # noqa: B018  (they read files)
        if self._unreadable:
            return self._unreadable[0]
        count = self.run.damaged_rows
        return f"{self.path / 'metrics.jsonl'}: {count} damaged row{'s are' if count > 1 else ' is'} left out" if count else ""

    @property
    def status(self) -> str:
        """The status of the run, or ``damaged`` if a file cannot be read."""
        try:
            self.run.tree  # noqa: B018
            return self.run.status
        except StorageError:
            return "damaged"

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return self._read(self.run.metrics, [])

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return self._read(self.run.events, [])

    def _read(self, read: Callable[[], T], otherwise: T) -> T:
        """The content of a file, or something else if it cannot be read, which `damage` reports."""
        try:
            return read()
        except StorageError as error:
            self._unreadable.append(str(error))
            return otherwise

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """The rows of evaluations by frames."""
        return [dict(row) for row in rows_of(self.metrics, "evaluate")]

    # Of a list: the newest rows alone are read.

    @cached_property
    def last(self) -> dict[str, Any] | None:
        """The row of the last evaluation."""
        rows = self.run.newest_metrics(b'"evaluate"')
        return self._read(lambda: next((row for row in rows if rows_of([row], "evaluate")), None), None)

    @cached_property
    def frames(self) -> int:
        return self._read(lambda: next((int(row["frames"]) for row in self.run.newest_metrics()), 0), 0)

    @cached_property
    def best(self) -> float | None:
        """The best score of the evaluations. The event of the last one holds it; without that event all rows are read."""
        if (last := self.last) is None:
            return None
        event = self._read(lambda: next(self.run.newest_events(b'"evaluate"'), {}), {})
        if has_shape(event, {"event": str, "best_score": float}) and last.items() <= event.items():
            return float(event["best_score"])
        return max((units.scored(row)[1] for row in self.evaluations), default=None)

    @property
    def budget_frames(self) -> int | None:
        """The budget in frames; ``None`` if another budget ends the run."""
        try:
            train = self.run.tree.get("train")
        except UnifiedError:  # list the other runs even if one config.json is unreadable
            return None
        # A run with a budget in epochs is not limited by its frames.
        frames = train.get("frames") if isinstance(train, dict) and train.get("epochs") is None else None
        return frames if isinstance(frames, int) else None

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        return units.scored(self.last)[0] if self.last else "return"

    @property
    def changed(self) -> float:
        """Time of the last write, in seconds since 1970."""
        files = [self.path / name for name in FILES]
        return max((file.lstat().st_mtime for file in files if file.exists()), default=time.time())

    def hours(self) -> list[tuple[float, float]]:
        """Frames and hours of training of each event that has both."""
        return sorted(
            (event["frames"], event["elapsed_s"] / 3600)
            for event in self.events
            if event["event"] in ("evaluate", "speed") and has_shape(event, {"frames": int, "elapsed_s": float})
        )


def records(root: Path) -> list[Record]:
    """All runs below `root`, sorted by name."""
    return [Record(run) for run in Run.all(root)]
