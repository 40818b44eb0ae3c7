"""Processes of their own, for what must be seen in a fresh interpreter. Torch-free."""

from __future__ import annotations

import os
import sys

from unified.core.envs.workers.process import POOLS


def environment_of_child() -> dict[str, str]:
    """Environment variables with which another interpreter finds the modules that this one does."""
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    return {**os.environ, **dict.fromkeys(POOLS, "1"), "PYTHONPATH": path}
