"""Our side of comparisons: ``python ours.py NAME SKIP COUNT [KEY=VALUE …]`` prints steps or updates per second.

NAME is a key of `SETTINGS`; SKIP steps of environments, or updates on a data set, are not timed, the COUNT after them are.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import unified
from reference.pictures import BATCH, random_pictures
from unified.core.components.hookspecs import hookimpl

#: The loop alone is timed: no display, and evaluation and checkpoint come once, after the end.
QUIET = {"callbacks": [], "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0, "train.log_every": 10**9}


def dqn(skip: int, count: int) -> dict[str, Any]:
    """The settings of Stable-Baselines3's DQN: neither double nor n-step, Huber's loss, no layer between the encoder and the values."""
    game = {"suite": "atari:pong", "suite.sticky": 0.0, "train.frames": 4 * (skip + count)}
    network = {"encoder": "nature_cnn", "agent.critic.depth": 0, "critic.head": "scalar", "critic.head.huber": 1.0, "agent.stack": 4}
    learning = {"agent.learning_starts": skip // 2, "agent.batch_size": 32, "agent.updates_per_step": 0.25, "agent.n_step": 1}
    more = {
        "agent.double": False,
        "agent.target_update_interval": 2_500,
        "agent.lr": 1e-4,
        "agent.epsilon": "0.05",
        "replay.capacity": 20_000,
    }
    return {"agent": "dqn", **game, **network, **learning, **more}


def sac(skip: int, count: int) -> dict[str, Any]:
    """The defaults of both libraries, which are the paper's."""
    learning = {"agent.learning_starts": skip // 2, "agent.batch_size": 256, "agent.updates_per_step": 1.0}
    return {"agent": "sac", "suite": "gym:Pendulum-v1", **learning, "train.frames": skip + count}


def td3(skip: int, count: int) -> dict[str, Any]:
    return {**sac(skip, count), "agent": "td3"}


def tqc(skip: int, count: int) -> dict[str, Any]:
    """Two critics of 25 quantiles, as in Stable-Baselines3-contrib."""
    return {**sac(skip, count), "agent": "tqc", "agent.critic.members": 2}


def crossq(skip: int, count: int) -> dict[str, Any]:
    """Critics of 1,024 units and an actor's update for three of the critics', as in Stable-Baselines3-contrib."""
    return {**sac(skip, count), "agent": "crossq", "agent.critic.hidden_dim": 1024, "agent.policy_delay": 3}


def ppo(skip: int, count: int) -> dict[str, Any]:
    """Stable-Baselines3's defaults: 10 epochs of minibatches of 64 after 2,048 steps of each environment."""
    rollouts = {"train.num_envs": 8, "agent.n_steps": 2048, "agent.batch_size": 64, "agent.epochs": 10}
    learning = {"agent.lr": 3e-4, "agent.discount": 0.99, "agent.gae_lambda": 0.95}
    return {"agent": "ppo", "suite": "gym:CartPole-v1", **rollouts, **learning, "train.frames": skip + count}


def digits(skip: int, count: int) -> dict[str, Any]:
    """The settings of `reference.by_hand`."""
    budget = {"train.frames": None, "train.epochs": None, "train.updates": skip + count}
    return {"agent": "ac2", "suite": "digits", "encoder": "mlp", "agent.batch_size": 256, "agent.lr": 1e-3, **budget}


def pictures(skip: int, count: int) -> dict[str, Any]:
    """The settings of `reference.lightning_peer`: one linear layer after the ResNet."""
    import torch

    rows = torch.utils.data.TensorDataset(*map(torch.from_numpy, random_pictures(10_000)))
    network = {"encoder": "resnet18", "agent.actor.depth": 0, "aug": ["random_crop", "random_horizontal_flip"]}
    learning = {"objective": ["nll"], "agent.batch_size": BATCH, "agent.lr": 3e-4}
    budget = {"train.frames": None, "train.updates": skip + count}
    return {"agent": "ac2", "suite": rows, "suite.test": 0.01, **network, **learning, **budget}


SETTINGS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "dqn": dqn,
    "sac": sac,
    "td3": td3,
    "tqc": tqc,
    "crossq": crossq,
    "ppo": ppo,
    "digits": digits,
    "pictures": pictures,
}


class Watch:
    """Notes when the timed work begins and ends."""

    def __init__(self, skip: int) -> None:
        self.skip = skip
        self.marks: list[tuple[float, int]] = []

    def mark(self, done: int) -> None:
        if done >= self.skip:
            self.marks = [*self.marks[:1], (time.perf_counter(), done)]

    @property
    def per_second(self) -> float:
        (start, first), (end, last) = self.marks
        return (last - first) / (end - start)


class Steps(Watch):
    """Counts steps of environments."""

    @hookimpl
    def on_experience(self, trainer: Any) -> None:
        self.mark(trainer.clock.steps)


class Updates(Watch):
    """Counts updates."""

    @hookimpl
    def after_update(self, trainer: Any) -> None:
        self.mark(trainer.agent.updates)


def main(name: str, skip: int, count: int, *words: str) -> None:
    watch = (Updates if name in ("digits", "pictures") else Steps)(skip)
    options = dict(word.split("=", 1) for word in words)
    with tempfile.TemporaryDirectory() as root:
        unified.train(config={**QUIET, "root": root, **SETTINGS[name](skip, count), **options}, callbacks=[watch])
    print(json.dumps(watch.per_second))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
