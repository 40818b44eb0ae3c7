"""A run: a directory that is the truth about one training. Importing this imports no torch."""

from __future__ import annotations

from unified.core.run.checkpoint import Checkpoint, Checkpoints
from unified.core.run.launching import start
from unified.core.run.lock import RunLock
from unified.core.run.run import Run

__all__ = ["Checkpoint", "Checkpoints", "Run", "RunLock", "start"]
