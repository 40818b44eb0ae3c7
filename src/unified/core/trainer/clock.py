"""Counters, budgets and periods of a run."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any


class Clock:
    """Counts steps and updates, and knows budgets and periods. All of its state is checkpointed.

    A budget does not change what happens before its end: updates that are due together are all done, and a run ends at the first step of
    the loop that reaches a budget. A run with a longer budget therefore continues with the same bits as a run that had it from the start,
    unless ``compile=auto`` decides otherwise by the budget at the start (`unified.core.trainer.engine`).

    A *step* is one action of one environment, a *frame* one tick of the task (steps × action repeat), an *update* one call of
    `Agent.learn`. Updates become due in proportion to steps, so that the number of environments does not change the amount of learning.

    Args:
        action_repeat: Frames per step.
        updates_per_step: Updates per step.
        learn_after: Number of steps before the first update.
        learn_every: Number of steps after which their updates become due together.
        pending_updates: Updates that are due at the start.
        rows: Frames of one epoch of a data set.
        every: Frames between two occurrences of each event; 0 for never.
        frames: Budget in frames. The budget that is reached first ends the run; ``None`` for no limit.
        updates: Budget in updates.
        hours: Budget in hours of training.
        epochs: Budget in passes over the rows of a data set.
    """

    def __init__(
        self,
        action_repeat: int = 1,
        updates_per_step: float = 1.0,
        learn_after: int = 0,
        learn_every: int = 1,
        *,
        pending_updates: float = 0.0,
        rows: int | None = None,
        every: Mapping[str, int] | None = None,
        frames: int | None = None,
        updates: int | None = None,
        hours: float | None = None,
        epochs: float | None = None,
    ) -> None:
        self.action_repeat, self.updates_per_step, self.learn_after = action_repeat, updates_per_step, learn_after
        self.learn_every, self.every = learn_every, dict(every or {})
        if epochs is not None and rows is not None:
            frames = min(math.ceil(epochs * rows), frames or sys.maxsize)
        self.budget_frames, self.budget_updates, self.budget_hours = frames, updates, hours
        self.steps = 0
        self.updates = 0
        self._collected = 0  # steps whose updates are not due yet
        self._pending_updates = self._first_updates = pending_updates  # updates that are due
        self._last: dict[str, int] = {}  # event -> frames at which it last happened
        self._elapsed_before = 0.0
        self._started: float | None = None

    @property
    def frames(self) -> int:
        return self.steps * self.action_repeat

    @property
    def elapsed(self) -> float:
        """Seconds of training, including those before a resume."""
        return self._elapsed_before + (time.monotonic() - self._started if self._started is not None else 0.0)

    def start(self) -> None:
        """Start measuring time."""
        self._started = time.monotonic()

    @property
    def planned_updates(self) -> int | None:
        """Updates that the budget is enough for; ``None`` if it is a budget of hours only."""
        found = [] if self.budget_updates is None else [self.budget_updates]
        if self.budget_frames is not None:
            found.append(int((self.budget_frames // self.action_repeat - self.learn_after) * self.updates_per_step))
        return max(1, min(found)) if found else None

    @property
    def done(self) -> bool:
        """Whether a budget is used up."""
        return self.progress >= 1.0

    @property
    def progress(self) -> float:
        """Used share of the budget that is closest to its end, in [0, 1]; 0 without a budget."""
        share = 0.0
        if self.budget_frames is not None:
            share = self.frames / self.budget_frames
        if self.budget_updates is not None:
            share = max(share, self.updates / self.budget_updates)
        if self.budget_hours is not None:
            share = max(share, self.elapsed / 3600 / self.budget_hours)
        return min(1.0, share)

    def advance(self, steps: int, *, learning: bool) -> None:
        """Count steps; if `learning`, their updates become due."""
        self.steps += steps
        if learning and self.steps > self.learn_after:
            self._collected += min(steps, self.steps - self.learn_after)
            whole = self._collected - self._collected % self.learn_every
            self._collected -= whole
            self._pending_updates += self.updates_per_step * whole

    def pop_pending_updates(self) -> int:
        """Return the number of due updates, which are then no longer due. The caller counts each in `updates` when it is done."""
        due = int(self._pending_updates + 1e-9)  # ten times 0.1 is less than 1 in floating point
        self._pending_updates -= due
        return due

    def refund(self, updates: int) -> None:
        """Make updates due again that were not done."""
        self._pending_updates += updates

    def due(self, event: str) -> bool:
        """Whether a new period has begun since the event last happened (`mark_done`)."""
        every = self.every.get(event, 0)
        return every > 0 and self.frames // every > self._last.get(event, 0) // every

    def mark_done(self, event: str) -> None:
        self._last[event] = self.frames

    def expect_at_start(self, event: str) -> None:
        """Make an event due before the first step too."""
        self._last.setdefault(event, -1)

    def counts(self) -> dict[str, int]:
        """Frames, steps and updates so far, as every row of metrics has them."""
        return {"frames": self.frames, "steps": self.steps, "updates": self.updates}

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "updates": self.updates,
            "gathered": self._collected,
            "credit": self._pending_updates,
            "last": dict(self._last),
            "elapsed": self.elapsed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.updates = state["steps"], state["updates"]
        self._collected, self._pending_updates = state["gathered"], state["credit"]
        self._last = dict(state["last"])
        if not 0 <= self._pending_updates <= self._first_updates + self.updates_per_step * self.steps + 1:
            raise ValueError(f"{self._pending_updates} updates cannot be due after {self.steps:,} steps")
        self._elapsed_before = 0.0 + state["elapsed"]  # an error here, and not later, if it is no number
