"""DQN, SAC and PPO against Stable-Baselines3 of the same settings: environment steps per second once both learn.

``pip install stable-baselines3`` first. Each side runs in a process of its own, one after the other, with the same threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from row import Row, ratio

HERE = Path(__file__).parent
#: What is measured: steps that are left out, steps that count, and how many times faster we want to be.
TASKS = {
    "dqn": ("DQN, atari:pong, an update per 4 steps, batch 32", 1_000, 3_000, 3.0),
    "sac": ("SAC, gym:Pendulum-v1, an update per step, batch 256, 2×256 units", 500, 2_500, 1.5),
    "ppo": ("PPO, gym:CartPole-v1, 8 environments, the other side's defaults", 16_384, 65_536, 2.0),
}


def per_second(program: Path, *words: object) -> float:
    """What a program prints last, run in a process of its own."""
    done = subprocess.run([sys.executable, str(program), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure() -> list[Row]:
    if find_spec("stable_baselines3") is None:
        sys.exit("the other side is not installed: pip install stable-baselines3")
    rows = []
    for name, (what, skip, count, wanted) in TASKS.items():
        ours, theirs = (per_second(HERE / program, name, skip, count) for program in ("ours.py", "reference/stable_baselines.py"))
        rows.append(ratio(what, ours, theirs, "steps/s", wanted))
    return rows
