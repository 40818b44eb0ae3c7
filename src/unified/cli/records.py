"""What a list or a plot needs of runs, read from their directories alone: a run of a missing plugin can still be listed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unified import units
from unified.core.base.errors import UnifiedError
from unified.core.runs.run import Run
from unified.plotting import rows_of

FILES = ("events.jsonl", "metrics.jsonl", "config.json")


@dataclass(frozen=True)
class Record:
    """One run, its files read once."""

    run: Run

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
        """What seeds of one thing share: experiment, agent and task."""
        return self.run.identity[0], self.run.identity[1], self.task

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return self.run.metrics()

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return self.run.events()

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """Rows of evaluations, by frames."""
        return [dict(row) for row in rows_of(self.metrics, "evaluate")]

    @property
    def frames(self) -> int:
        return max((row.get("frames", 0) for row in self.metrics), default=0)

    @property
    def budget_frames(self) -> int | None:
        """That were asked for; ``None`` where frames are not what ends the run."""
        try:
            train = self.run.tree.get("train")
        except UnifiedError:  # an unreadable config.json is no reason not to list the others
            return None
        # Passes over a data set end a run by epochs: its frames are a limit that nobody meant.
        return train.get("frames") if isinstance(train, dict) and train.get("epochs") is None else None

    @property
    def best(self) -> float | None:
        return max((units.scored(row)[1] for row in self.evaluations), default=None)

    @property
    def metric(self) -> str:
        """Name of what it is judged by."""
        return units.scored(self.evaluations[-1])[0] if self.evaluations else "return"

    @property
    def changed(self) -> float:
        """When something was last written, seconds since 1970."""
        files = [self.path / name for name in FILES]
        return max((file.stat().st_mtime for file in files if file.exists()), default=time.time())

    def hours(self) -> list[tuple[float, float]]:
        """Frames and hours of training wherever both were noted."""
        return sorted(
            (event["frames"], event["elapsed_s"] / 3600)
            for event in self.events
            if event.get("event") in ("evaluate", "speed") and "frames" in event and "elapsed_s" in event
        )


def records(root: Path) -> list[Record]:
    """All runs below `root`, by name."""
    return [Record(run) for run in Run.all(root)]
