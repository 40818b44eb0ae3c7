"""A callback that acts on a run after a certain update."""

from __future__ import annotations

import signal
from typing import Any

from unified.core.components.hookspecs import hookimpl


class At:
    """Does something after an update."""

    def __init__(self, update: int, does: Any) -> None:
        self.update, self.does = update, does

    @hookimpl
    def after_update(self, trainer: Any) -> None:
        if trainer.clock.updates == self.update:
            self.does(trainer)


def ask_to_stop(trainer: Any) -> None:
    trainer.interrupts.stopping = signal.SIGTERM
