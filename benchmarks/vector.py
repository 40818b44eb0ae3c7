"""Environment steps a second of vectorised Gymnasium tasks, beside eight single environments of Gymnasium and beside eight inline workers.

Actions are random, so resets count: an episode of CartPole lasts about 22 steps. The sides take turns; ratios are medians over the turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np

from row import Row, in_turns
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.gym.suite import Gym

SINGLES, SIZES, STEPS, TURNS = 8, (8, 64, 256), 200, 15


def measure() -> Iterator[Row]:
    for task in ("CartPole-v1", "Pendulum-v1"):
        suite = Gym(task, SimpleNamespace(action_repeat=1, pixels=False, size=84))
        arms = {f"{size} at once": _stepped(suite.vector(size, 1, "environment"), size) for size in SIZES}
        for name, rates in in_turns(arms, _singles(task), TURNS).items():
            yield rates.row(f"{task}, {name}, beside {SINGLES} of Gymnasium's", "steps/s", 20)
        workers = WorkerVectorEnv(suite, SINGLES, 1, placement="inline")
        for name, rates in in_turns(arms, _stepped(workers, SINGLES), TURNS).items():
            yield rates.row(f"{task}, {name}, beside {SINGLES} workers in this process", "steps/s", 20)


def _actions(shape: tuple[int, ...], choices: int | None) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    if choices:
        return [generator.integers(choices, size=shape) for _ in range(STEPS)]
    return [generator.uniform(-1, 1, shape).astype(np.float32) for _ in range(STEPS)]


def _stepped(env: Any, size: int) -> Callable[[], float]:
    actions = _actions((size, *env.spec.action.shape), env.spec.action.n)
    env.reset()

    def arm() -> float:
        start = time.perf_counter()
        for action in actions:
            env.step_async(action)
            env.step_wait()
        return STEPS * size / (time.perf_counter() - start)

    return arm


def _singles(task: str) -> Callable[[], float]:
    envs = [gymnasium.make(task) for _ in range(SINGLES)]
    space = envs[0].action_space
    actions = _actions((SINGLES, *space.shape), getattr(space, "n", None))
    seeds = iter(range(10**9))
    for env in envs:
        env.reset(seed=next(seeds))

    def arm() -> float:
        start = time.perf_counter()
        for action in actions:
            for i, env in enumerate(envs):
                _, _, terminated, truncated, _ = env.step(action[i])
                if terminated or truncated:
                    env.reset(seed=next(seeds))
        return STEPS * SINGLES / (time.perf_counter() - start)

    return arm
