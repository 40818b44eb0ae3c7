"""Updates a second on a GPU as CUDA graphs, beside the same updates eagerly, in turns within one run and on one batch of it.

Each turn is timed until the GPU has done its work. The first two updates of a run capture its graphs and are not timed.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

import unified
from ours import QUIET, SETTINGS
from row import NotInstalled, Rates, Row, in_turns

TURNS, SECONDS, WARM_UP, AT_ONCE = 5, 3.0, 20, 10
#: More than any run here reaches.
ENDLESS = 10**8
#: Values of each run.
CASES: dict[str, dict[str, Any]] = {
    "DrQ-v2, 9×84×84, batch 256": {
        **{"agent": "drqv2", "suite": "dmc:cartpole_balance", "train.frames": ENDLESS, "replay.capacity": 20_000},
        **{"agent.learning_starts": 600, "agent.batch_size": 256},
    },
    "DQN, 4×84×84, batch 32": SETTINGS["dqn"](1_000, ENDLESS),
    "SAC, batch 256": SETTINGS["sac"](1_000, ENDLESS),
    "PPO, batch 64": SETTINGS["ppo"](0, ENDLESS) | {"agent.n_steps": 256},
}


def measure() -> Iterator[Row]:
    """A row for each run.

    Raises:
        NotInstalled: Where there is no GPU.
    """
    if not torch.cuda.is_available():
        raise NotInstalled("there is no GPU here")
    for what, values in CASES.items():
        yield measured(values | {"device": "cuda", "compile": True}).row(f"{what}, an update as a CUDA graph", "updates/s", 1.0)


def measured(values: dict[str, Any]) -> Rates:
    """The rates of the engine of a run, and of its agent eagerly."""
    watch = Watch()
    with tempfile.TemporaryDirectory() as root:
        try:
            unified.train(config={**QUIET, **values, "root": root}, callbacks=[watch])
        except unified.UnifiedError:  # it was stopped
            if watch.rates is None:
                raise
    assert watch.rates is not None
    return watch.rates


class Watch:
    """Measures at the second update of a run, and stops it."""

    rates: Rates | None = None

    @unified.hookimpl
    def after_update(self, trainer: Any, batch: Any) -> None:
        if self.rates is None and trainer.clock.updates >= 2:
            arms = {"engine": lambda: rate(lambda: trainer.engine.learn(batch))}
            self.rates = in_turns(arms, lambda: rate(lambda: trainer.agent.learn(batch)), TURNS)["engine"]
            signal.raise_signal(signal.SIGTERM)


def rate(work: Callable[[], object]) -> float:
    """Calls a second."""
    for _ in range(WARM_UP):
        work()
    synchronize()
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        for _ in range(AT_ONCE):
            work()
        count += AT_ONCE
        synchronize()
    return count / elapsed


def synchronize() -> None:
    """Wait until the GPU has done its work, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
