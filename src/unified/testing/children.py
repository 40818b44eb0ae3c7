"""Child processes with a fresh interpreter. Torch-free."""

from __future__ import annotations

import os
import sys

from unified.core.envs.workers.process import POOLS


def environment_of_child() -> dict[str, str]:
    """Environment variables that let another interpreter import the same modules."""
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    return {**os.environ, **POOLS, "PYTHONPATH": path}
