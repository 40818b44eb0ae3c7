"""Rewards of goals that were not pursued, computed in the process that learns. Does not import torch."""

from __future__ import annotations

import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    import numpy as np

    from unified.plugins.suites.gym.environment import GymEnvironment


class GoalRewards:
    """`compute_reward` and `compute_terminated` of a suite, by an environment of its own.

    Nothing steps this environment. It is created by the first call, and closed when the suite is collected or Python exits.
    """

    options: Any

    def new_environment(self) -> GymEnvironment:
        """A new environment of the task, in the calling process."""
        raise NotImplementedError

    @cached_property
    def _goals(self) -> GymEnvironment:
        if self.options.action_repeat > 1:
            what = f"goals have rewards of single frames, and suite.action_repeat={self.options.action_repeat} adds several"
            raise UsageError(Problem(what, "suite.action_repeat=1"))
        environment = self.new_environment()
        weakref.finalize(self, environment.close)
        return environment

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_reward(achieved, desired)

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_terminated(achieved, desired)
