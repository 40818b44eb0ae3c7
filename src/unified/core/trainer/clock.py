"""How far a run is, in steps, frames and updates, and what is due."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any


class Clock:
    """Counts, budgets, and what is due. Its state is a few numbers, all of them checkpointed.

    A budget never changes what happens before its end: all updates that are owed at once are done, and a run ends at the first turn of
    the loop that reaches a budget. So a run with a longer budget goes on with the bits that it would have had from the start.

    A *step* is one action of one environment, a *frame* one tick of the task (steps × action repeat), an *update* one call of
    `Agent.learn`. Updates are owed for steps, at a ratio, so that the number of environments never changes how much is learned.

    Args:
        action_repeat: Frames of one step.
        updates_per_step: The ratio.
        learn_after: Steps before which no update is owed.
        learn_every: Steps that are gathered before the updates for them are owed, all at once.
        pending_updates: Updates that are owed from the start.
        rows: Of a data set: frames of one epoch.
        every: Frames between two times of each duty; 0 for never.
        frames: Budget, likewise `updates`, `hours` and `epochs`; the first reached ends the run. ``None`` for no limit.
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
        self._gathered = 0  # steps that updates are not owed for yet
        self._pending_updates = pending_updates  # updates owed
        self._periods: dict[str, int] = {}  # duty -> number of the period in which it was last done
        self._elapsed_before = 0.0
        self._started: float | None = None

    @property
    def frames(self) -> int:
        return self.steps * self.action_repeat

    @property
    def elapsed(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._elapsed_before + (time.monotonic() - self._started if self._started is not None else 0.0)

    def start(self) -> None:
        """Time runs from here."""
        self._started = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether a budget is used up."""
        return self.progress >= 1.0

    @property
    def progress(self) -> float:
        """Used share of the budget that is nearest to its end, 0 to 1; 0 without a budget."""
        shares = [
            used / budget
            for used, budget in (
                (self.frames, self.budget_frames),
                (self.updates, self.budget_updates),
                (self.elapsed / 3600, self.budget_hours),
            )
            if budget is not None
        ]
        return min(1.0, max(shares, default=0.0))

    def advance(self, steps: int, *, learning: bool) -> None:
        """Count new steps; while `learning`, updates become owed for them."""
        self.steps += steps
        if learning and self.steps > self.learn_after:
            self._gathered += min(steps, self.steps - self.learn_after)
            whole = self._gathered - self._gathered % self.learn_every
            self._gathered -= whole
            self._pending_updates += self.updates_per_step * whole

    def pop_pending_updates(self) -> int:
        """How many whole updates are owed; they are not owed any more. Each counts in `updates` when it is done."""
        due = int(self._pending_updates + 1e-9)  # ten tenths are one
        self._pending_updates -= due
        return due

    def refund(self, updates: int) -> None:
        """Owe updates again that were taken and not done."""
        self._pending_updates += updates

    def due(self, event: str) -> bool:
        """Whether a new period has begun since the duty was last done (`did`)."""
        every = self.every.get(event, 0)
        return every > 0 and self.frames // every > self._periods.get(event, 0)

    def mark_done(self, event: str) -> None:
        every = self.every.get(event, 0)
        self._periods[event] = self.frames // every if every > 0 else 0

    def expect_at_start(self, event: str) -> None:
        """Make a duty due before the first step too."""
        self._periods.setdefault(event, -1)

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "updates": self.updates,
            "gathered": self._gathered,
            "credit": self._pending_updates,
            "periods": dict(self._periods),
            "elapsed": self.elapsed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.updates = state["steps"], state["updates"]
        self._gathered, self._pending_updates = state["gathered"], state["credit"]
        self._periods = dict(state["periods"])
        self._elapsed_before = state["elapsed"]
