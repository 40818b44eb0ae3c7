"""A sample of the environments that fail, in both placements."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["inline", "process"])
def test_a_sample_of_failing_environments(place: str) -> None:
    command = [sys.executable, "-m", "attack.worlds", "--placement", place, "--sample", "4", "--seed", "3"]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    found = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
