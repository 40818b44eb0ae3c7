"""Runs as their directories tell: read without building anything, so that a run of a missing plugin can still be listed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

CONFIG, METRICS, EVENTS, LOCK = "config.json", "metrics.jsonl", "events.jsonl", "run.lock"


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file; a line that is still being written is left out."""
    found = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                if isinstance(row, dict):
                    found.append(row)
    except OSError:
        pass
    return found


def seconds(event: Mapping[str, Any]) -> float | None:
    """The time of an event in seconds since 1970."""
    try:
        return datetime.fromisoformat(event["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Record:
    """One run directory, ``<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>``."""

    path: Path

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """Experiment, agent, suite, task and seed."""
        experiment, agent, suite, task, seed = self.path.resolve().parts[-5:]
        return experiment, agent, suite, task, seed.removeprefix("seed-")

    @property
    def task(self) -> str:
        return ":".join(self.identity[2:4])

    @property
    def group(self) -> tuple[str, str, str]:
        """What seeds of one thing share: experiment, agent and task."""
        return self.identity[0], self.identity[1], self.task

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return rows(self.path / METRICS)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return rows(self.path / EVENTS)

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        from unified.plotting import rows_of

        return [dict(row) for row in rows_of(self.metrics, "evaluate")]

    @property
    def frames(self) -> int:
        return max((row.get("frames", 0) for row in self.metrics), default=0)

    @property
    def best(self) -> float | None:
        return max((row["return"] for row in self.evaluations), default=None)

    @property
    def changed(self) -> float:
        """When something was last written, seconds since 1970."""
        files = [self.path / name for name in (EVENTS, METRICS, CONFIG)]
        return max((file.stat().st_mtime for file in files if file.exists()), default=time.time())

    @property
    def state(self) -> str:
        """``running``, ``finished``, ``stopped`` (asked to), or ``interrupted`` (died; resume it)."""
        if self._locked():
            return "running"
        ends = [event["event"] for event in self.events if event.get("event") in ("start", "resume", "finish", "stop")]
        return {"finish": "finished", "stop": "stopped"}.get(ends[-1] if ends else "", "interrupted")

    def _locked(self) -> bool:
        try:
            import fcntl

            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except (OSError, ImportError):
            return False
        return False

    @cached_property
    def tree(self) -> dict[str, Any]:
        """What ``config.json`` says."""
        try:
            tree = json.loads((self.path / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return tree if isinstance(tree, dict) else {}

    def hours(self) -> list[tuple[float, float]]:
        """Frames and hours of training at each evaluation."""
        return sorted(
            (event["frames"], event["elapsed_s"] / 3600)
            for event in self.events
            if event.get("event") in ("evaluate", "speed") and "frames" in event and "elapsed_s" in event
        )


def records(root: Path) -> Iterator[Record]:
    """All runs below `root`, by name."""
    for config in sorted(root.glob(f"*/*/*/*/seed-*/{CONFIG}")):
        yield Record(config.parent)
