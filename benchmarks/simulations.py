"""Environment steps a second of MuJoCo tasks in batches, beside Gymnasium's AsyncVectorEnv and beside workers in processes.

A task of dm_control runs in AsyncVectorEnv by a thin wrapper that repeats actions and joins observations. The sides take turns. Ratios are
of rates, and of the CPU time that all processes of a side used for the same steps, which other work on the machine disturbs less.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv

from row import Rates, Row
from unified.core.envs.suite import Suite
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.dmc.config import DMCOptions
from unified.plugins.suites.dmc.suite import DMC
from unified.plugins.suites.gym.suite import Gym

NUM_ENVS, STEPS, TURNS = 16, 150, 9
#: Tasks, and how many times the rate of AsyncVectorEnv is the target.
TASKS = {"HalfCheetah-v5": 3.0, "Humanoid-v5": 1.0, "cheetah_run": 3.0, "walker_walk": 3.0}

Arm = Callable[[], tuple[float, float]]


def measure() -> Iterator[Row]:
    for task, wanted in TASKS.items():
        suite: Suite = Gym(task, SimpleNamespace(action_repeat=1, pixels=False, size=84))
        if "-v" not in task:
            suite = DMC(task, DMCOptions(pixels=False))
        batch = suite.vector(NUM_ENVS, 1, "environment")
        assert batch is not None
        actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, NUM_ENVS, *batch.spec.action.shape)).astype(np.float32)
        make = partial(gymnasium.make if "-v" in task else _Plain, task)
        for name, new in {
            "Gymnasium's AsyncVectorEnv": lambda make=make: _Gymnasiums(AsyncVectorEnv([make] * NUM_ENVS)),
            "workers in processes": lambda suite=suite: WorkerVectorEnv(suite, NUM_ENVS, 1, placement="process"),
        }.items():
            other = new()
            speed, cpu = _in_turns(_stepped(batch, actions), _stepped(other, actions))
            other.close()
            yield speed.row(f"{task}, {NUM_ENVS} at once, beside {name}", "steps/s", wanted)
            yield cpu.row(f"the same, in a second of CPU time, beside {name}", "steps/s", wanted)
        batch.close()


def _in_turns(ours: Arm, reference: Arm) -> tuple[Rates, Rates]:
    """Steps in a second, and in a second of CPU time."""
    speed, cpu = Rates([], []), Rates([], [])
    for _ in range(TURNS):
        for side, arm in (("ours", ours), ("reference", reference)):
            seconds, used = arm()
            getattr(speed, side).append(STEPS * NUM_ENVS / seconds)
            getattr(cpu, side).append(STEPS * NUM_ENVS / used)
    return speed, cpu


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of CPU time of this process and its children."""
    used, start = _cpu(), time.perf_counter()
    work()
    return time.perf_counter() - start, max(_cpu() - used, 0.01)


def _cpu() -> float:
    """Seconds of CPU time of this process and of its children that live."""
    total, me, ticks = 0, os.getpid(), os.sysconf("SC_CLK_TCK")
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended
                continue
            if int(name) == me or int(fields[1]) == me:
                total += int(fields[11]) + int(fields[12])
    return total / ticks


def _stepped(env: Any, actions: np.ndarray) -> Arm:
    env.reset()

    def steps() -> None:
        for action in actions:
            env.step_async(action)
            env.step_wait()

    return lambda: _timed(steps)


class _Gymnasiums:
    """AsyncVectorEnv with the calls of a `VectorEnv`."""

    def __init__(self, env: AsyncVectorEnv) -> None:
        self.env, self.step_async, self.step_wait, self.close = env, env.step_async, env.step_wait, env.close

    def reset(self) -> None:
        self.env.reset(seed=1)


class _Plain(gymnasium.Env):  # type: ignore[type-arg]
    """A task of dm_control as Gymnasium wants it."""

    def __init__(self, task: str) -> None:
        from dm_control import suite

        domain, name = next(each for each in suite.ALL_TASKS if "_".join(each) == task)
        self.task = suite.load(domain, name)
        bounds = self.task.action_spec()
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, bounds.shape, np.float32)
        size = sum(int(np.prod(spec.shape)) for spec in self.task.observation_spec().values())
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self._flat(self.task.reset()), {}

    def step(self, action: np.ndarray) -> Any:
        reward = 0.0
        for _ in range(2):
            step = self.task.step(action)
            reward += step.reward or 0.0
            if step.last():
                break
        return self._flat(step), reward, False, step.last(), {}

    def _flat(self, step: Any) -> np.ndarray:
        return np.concatenate([np.ravel(value) for value in step.observation.values()]).astype(np.float32)
