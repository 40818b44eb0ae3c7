"""SIGTERM and Ctrl-C: the first signal saves and stops the run, a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from unified.core.base.errors import UnifiedError


class Stopped(UnifiedError):
    """A signal has stopped the run. Everything is saved, or the newest checkpoint holds an earlier state."""

    def __init__(self, name: str, number: int, frames: int, saved: bool = True) -> None:
        what = "everything is saved" if saved else "while it waited for the compiler; a resume continues from the newest checkpoint"
        super().__init__(f"stopped by {signal.Signals(number).name} at {frames:,} frames, {what}; go on with: unified resume {name}")
        self.exit_code = 128 + number


class Aborted(KeyboardInterrupt):
    """The second signal: the process ends at once."""


class Interrupts:
    """In its context, `stopping` is the number of the signal that arrived, or ``None``.

    Signal handlers require the main thread; in another thread, signals are not handled.
    """

    def __init__(self) -> None:
        self.stopping: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.stopping is not None:
            raise Aborted
        self.stopping = number
