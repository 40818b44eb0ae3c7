"""The launcher of every run that names no other."""

from __future__ import annotations

from unified.core.trainer.launcher import Launcher


class Local(Launcher):
    """Executes a run in this process, to its end."""
