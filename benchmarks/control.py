"""Steps per second of DQN, SAC, TD3, TQC, CrossQ and PPO beside Stable-Baselines3 (and contrib), and beside SBX, its algorithms in JAX.

Install the peers first: ``pip install stable-baselines3 sb3-contrib sbx-rl opencv-python-headless``. Each library runs in a process of its
own, in turns, with the number of threads it chooses itself. Networks, batches, numbers of updates and Atari preprocessing are equal on all
sides. Compilation, of ours and of JAX, lies before the steps that are timed; `first` measures it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from row import Row, pairs_in_turns, printed, require

TURNS = 3
#: Library -> the module that has to be installed.
PEERS = {"Stable-Baselines3": "stable_baselines3", "SBX": "sbx"}


@dataclass(frozen=True)
class Task:
    """A comparison.

    Attributes:
        what: Name of the row.
        skip: Steps that are not timed. With a replay, the second half of them already learn; with rollouts, they contain an update.
        count: Steps that are timed.
        targets: Library -> least ratio.
        arms: Label -> options of ours.
    """

    what: str
    skip: int
    count: int
    targets: dict[str, float]
    arms: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(COMPILED))


COMPILED = {", compiled": ("compile=true",), ", eager": ("compile=false",)}
PRECISIONS = {", our default precision": ("precision=auto",), ", float32": ("precision=fp32",)}
TASKS = {
    # Rollouts of 8 × 2,048 steps: the timed rounds begin after the first updates.
    "ppo": Task(
        "PPO, gym:CartPole-v1, 8 environments, Stable-Baselines3's defaults", 32_768, 49_152, {"Stable-Baselines3": 3.0, "SBX": 1.5}
    ),
    "sac": Task("SAC, gym:Pendulum-v1, an update per step, batch 256, 2×256 units", 400, 1_500, {"Stable-Baselines3": 2.0, "SBX": 1.2}),
    "td3": Task("TD3, gym:Pendulum-v1, an update per step, batch 256, 2×256 units", 400, 1_500, {"Stable-Baselines3": 2.0, "SBX": 1.2}),
    "tqc": Task(
        "TQC, gym:Pendulum-v1, an update per step, batch 256, 2 critics of 2×256 units", 400, 1_500, {"Stable-Baselines3": 2.0, "SBX": 1.2}
    ),
    "crossq": Task(
        "CrossQ, gym:Pendulum-v1, an update per step, batch 256, critics of 2×1,024 units", 200, 600, {"Stable-Baselines3": 1.5, "SBX": 1.0}
    ),
    "dqn": Task("DQN, atari:pong, an update per 4 steps, batch 32", 600, 1_500, {"Stable-Baselines3": 3.0}, PRECISIONS),
}


def measure(turns: int = TURNS, tasks: tuple[str, ...] = tuple(TASKS)) -> Iterator[Row]:
    """A row for each task, peer and arm.

    Raises:
        NotInstalled: If a peer is not installed.
    """
    require("stable_baselines3", "sb3_contrib", "sbx", "cv2")
    for name in tasks:
        task = TASKS[name]
        arms = {label: partial(printed, "ours.py", name, task.skip, task.count, *words) for label, words in task.arms.items()}
        for words in task.arms.values():
            if "compile=true" in words:  # fills the cache of compiled updates
                printed("ours.py", name, task.skip, 200, *words)
        peers = {peer: partial(printed, "reference/stable_baselines.py", PEERS[peer], name, task.skip, task.count) for peer in task.targets}
        for (label, peer), rates in pairs_in_turns(arms, peers, turns).items():
            yield rates.row(f"{task.what}{label}, beside {peer}", "steps/s", task.targets[peer])
