"""A single environment of EnvPool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.envs.suite import Environment, Observation, Step
from unified.plugins.suites.envpool.pool import Pool
from unified.plugins.suites.pictures import resize


class EnvPoolEnvironment(Environment):
    """A pool of one environment. EnvPool takes a seed where a pool is made, so each reset makes another pool.

    Args:
        task: Id of the task.
        options: Of the suite.
    """

    def __init__(self, task: str, options: Any) -> None:
        self._task, self._options, self._steps = task, options, 0
        self._pool = Pool(task, options, [0])
        self.spec = self._pool.spec

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Observation:
        if options:
            raise UsageError(Problem("EnvPool's environments have no reset options"))
        self._pool.close()
        self._pool, self._steps = Pool(self._task, self._options, [seed]), 0
        return self._named(self._pool.first()[0])

    def step(self, action: np.ndarray) -> Step:
        self._pool.send(np.asarray(action)[None])
        found = self._pool.receive()
        self._steps += 1
        terminated = bool(found.terminated[0])
        truncated = not terminated and self._steps == self.spec.episode_frames
        extra = {name: bool(found.success[0]) for name in self.spec.columns}
        observation = self._named(found.observation[0])
        return Step(observation, float(found.reward[0]), terminated, truncated, float(found.raw_reward[0]), extra=extra)

    def render(self, height: int, width: int) -> np.ndarray:
        return resize(self._pool.render(0), height, width)

    def close(self) -> None:
        self._pool.close()

    def _named(self, row: Any) -> Observation:
        """One observation: an array, or arrays by the names of a record."""
        names = row.dtype.names
        return row if names is None else {name: row[name] for name in names}
