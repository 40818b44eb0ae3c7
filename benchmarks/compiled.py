"""Compiled updates beside eager ones of the same agent on the same batch, and the seconds that it takes to compile and to load them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unified
from ours import QUIET
from row import Row, alternate, ratio
from unified.core.base.errors import UnifiedError
from unified.core.components.hookspecs import hookimpl
from unified.core.learn.compiler import Compiler
from unified.core.trainer.engine import Engine

#: What is measured -> the configuration, and the target.
TASKS: dict[str, tuple[dict[str, Any], float]] = {
    "PPO, gym:CartPole-v1, 256 rows": ({"agent": "ppo", "suite": "gym:CartPole-v1"}, 4.0),
    "DQN, gym:CartPole-v1, 128 rows": ({"agent": "dqn", "suite": "gym:CartPole-v1", "agent.learning_starts": 100}, 2.0),
    "SAC, gym:Pendulum-v1, 256 rows": ({"agent": "sac", "suite": "gym:Pendulum-v1", "agent.learning_starts": 300}, 1.5),
    "AC2, digits, 256 rows": ({"agent": "ac2", "suite": "digits", "agent.batch_size": 256}, 2.0),
}


class Measured(UnifiedError):
    """The measurement is done."""


class Measure:
    """Measures in the first update of a run, and ends the run.

    Args:
        what: Name of the row.
        target: Wanted ratio.
        cache: An empty directory.
    """

    def __init__(self, what: str, target: float, cache: Path) -> None:
        self.what, self.target, self.cache = what, target, cache
        self.row: Row | None = None

    @hookimpl
    def before_update(self, trainer: Any, batch: Any) -> None:
        seconds = []
        for _ in ("cold", "warm"):
            engine = Engine(trainer.agent, True, None, lambda *_, **__: None, compiler=Compiler(self.cache / "unified" / "compiled"))
            start = time.perf_counter()
            engine.learn(batch)
            seconds.append(time.perf_counter() - start)
        compiled, eager = alternate(lambda: engine.learn(batch), lambda: trainer.agent.learn(batch))
        what = f"update compiled beside eager: {self.what}; first update {seconds[0]:.0f} s, with a warm cache {seconds[1]:.0f} s"
        self.row = ratio(what, compiled, eager, "updates/s", self.target)
        raise Measured("done")


def measure() -> Iterator[Row]:
    """A row for each task."""
    for what, (values, target) in TASKS.items():
        with tempfile.TemporaryDirectory() as directory:
            callback = Measure(what, target, Path(directory))
            config = {**QUIET, **values, "compile": False, "device": "cpu", "root": directory}
            try:
                unified.train(config=config, callbacks=[callback])
            except UnifiedError:
                if callback.row is None:
                    raise
            assert callback.row is not None
            yield callback.row
