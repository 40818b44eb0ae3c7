"""Our side where each needs a process of its own: ``python ours.py NAME SKIP COUNT`` prints what is done per second after SKIP."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

import unified
from unified.core.hookspecs import hookimpl

QUIET = {"with": [], "evaluate.every": 0, "evaluate.episodes": 1, "checkpoint.every": 0, "train.log_every": 10**9}


def config(name: str, skip: int, count: int) -> dict[str, Any]:
    """The settings that the other side has by default, but for what the table says."""
    if name == "dqn":
        learning = {"agent.seed_steps": skip // 2, "agent.batch_size": 32, "agent.updates_per_step": 0.25, "agent.n_step": 1}
        pictures = {"encoder": "nature_cnn", "agent.stack": 4, "replay.capacity": 20_000}
        return {"agent": "dqn", "suite": "atari:pong", **learning, **pictures, "train.frames": 4 * (skip + count)}
    if name == "sac":
        learning = {"agent.seed_steps": skip // 2, "agent.batch_size": 256, "agent.updates_per_step": 1.0}
        return {"agent": "sac", "suite": "gym:Pendulum-v1", **learning, "train.frames": skip + count}
    if name == "ppo":
        rollouts = {"train.environments": 8, "agent.horizon": 2048, "agent.batch_size": 64, "agent.epochs": 10}
        learning = {"agent.lr": 3e-4, "agent.discount": 0.99, "agent.decay": 0.95}
        return {"agent": "ppo", "suite": "gym:CartPole-v1", **rollouts, **learning, "train.frames": skip + count}
    rows = {"encoder": "mlp", "agent.batch_size": 256, "train.frames": None, "train.updates": skip + count}
    return {"agent": "ac2", "suite": "digits", **rows}


class Watch:
    """When the counted steps, or updates of a data set, began, and when they ended."""

    def __init__(self, skip: int) -> None:
        self.skip, self.marks = skip, []

    def mark(self, done: int) -> None:
        if done >= self.skip:
            self.marks = [*self.marks[:1], (time.perf_counter(), done)]

    @hookimpl
    def on_experience(self, trainer: Any) -> None:
        self.mark(trainer.clock.steps)

    @hookimpl
    def after_update(self, trainer: Any) -> None:
        if trainer.config.suite.name == "digits":
            self.mark(trainer.agent.updates)


def main(name: str, skip: int, count: int) -> None:
    watch = Watch(skip)
    with tempfile.TemporaryDirectory() as root:
        unified.train(config={**QUIET, "root": root, **config(name, skip, count)}, callbacks=[watch])
    (start, first), (end, last) = watch.marks
    print(json.dumps((last - first) / (end - start)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
