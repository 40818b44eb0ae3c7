"""A short round of each attack; long ones: ``python -m attack``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "count"), [("faults", 15), ("flips", 12), ("fuzz", 100), ("hostile_run", 12)])
def test_a_short_round_holds(command: str, count: int) -> None:
    assert f"{command}: {count} of {count} hold" in attacked(command, "--seed", "7", "--count", str(count))


@pytest.mark.slow
def test_killed_runs_of_several_kinds_are_the_undisturbed_ones() -> None:
    assert "; 6 signals (" in attacked("kills", "--seed", "7", "--count", "6")


def attacked(*words: str) -> str:
    """What an attack prints, in a process of its own: it forks, and must not have threads."""
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "attack", *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
