"""The launcher that trains in the calling process."""

from __future__ import annotations

from unified.core.trainer.launcher import Launcher


class Local(Launcher):
    """Trains in this process to the end of the budget."""
