"""DQN, SAC and PPO against Stable-Baselines3 of the same settings: environment steps per second once both learn.

``pip install stable-baselines3 opencv-python-headless`` first. Each side runs in a process of its own, one after the other and in turns,
with as many threads as torch takes by itself; networks, batches, numbers of updates and, for Atari, what wrappers do are the same on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from row import Row, in_turns, printed, require

TURNS = 3


@dataclass(frozen=True)
class Task:
    """What is measured.

    Args:
        what: For the table.
        skip: Steps that are left out; with a replay, the latter half of them learn already.
        count: Steps that count.
        wanted: How many times as fast ours has to be.
        arms: Of ours, by what the table says of each.
    """

    what: str
    skip: int
    count: int
    wanted: float
    arms: dict[str, tuple[str, ...]]


LIKE = {"": ()}
#: Of encoders; a perceptron has none.
PRECISIONS = {", float32": ("precision=fp32",), ", our default precision": ("precision=auto",)}
TASKS = {
    "dqn": Task("DQN, atari:pong, an update per 4 steps, batch 32", 600, 1_500, 3.0, PRECISIONS),
    "sac": Task("SAC, gym:Pendulum-v1, an update per step, batch 256, 2×256 units", 400, 1_500, 1.5, LIKE),
    # Three rounds of 8 × 2,048 steps, and of updates for those before them: time runs from the end of the first steps.
    "ppo": Task("PPO, gym:CartPole-v1, 8 environments, the other side's defaults", 16_384, 49_152, 2.0, LIKE),
}


def measure(turns: int = TURNS, tasks: tuple[str, ...] = tuple(TASKS)) -> Iterator[Row]:
    """One row for each task and arm.

    Raises:
        NotInstalled: If the other side is not there.
    """
    require("stable_baselines3", "cv2")
    for name in tasks:
        task = TASKS[name]
        arms = {said: partial(printed, "ours.py", name, task.skip, task.count, *words) for said, words in task.arms.items()}
        theirs = partial(printed, "reference/stable_baselines.py", name, task.skip, task.count)
        for said, rates in in_turns(arms, theirs, turns).items():
            yield rates.row(f"{task.what}{said}, beside Stable-Baselines3", "steps/s", task.wanted)
