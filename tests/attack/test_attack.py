"""A short round of each attack; long ones: ``python -m attack``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "count"), [("faults", 15), ("flips", 12), ("hostile_run", 12)])
def test_a_short_round_holds(command: str, count: int) -> None:
    # A process of its own: it forks, and must not have threads.
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = [sys.executable, "-m", "attack", command, "--seed", "7", "--count", str(count)]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{command}: {count} of {count} hold" in done.stdout
