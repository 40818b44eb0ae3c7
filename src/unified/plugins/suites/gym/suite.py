"""Any registered Gymnasium task whose spaces are made of numbers and choices (Towers et al. 2024, arXiv:2407.17032)."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.opengl import choose

if TYPE_CHECKING:
    import numpy as np

    from unified.core.envs.vector_protocol import VectorEnv
    from unified.plugins.suites.gym.environment import GymEnvironment


class Gym(Suite):
    """``gym:<id>``, e.g. ``gym:CartPole-v1``; ``gym:package:Id-v0`` imports `package` first, as Gymnasium does."""

    @property
    def placement(self) -> Literal["auto", "process", "inline"]:  # type: ignore[override]
        """A process of their own for the MuJoCo tasks: they draw with OpenGL, which must never meet Triton in one process."""
        from unified.plugins.suites.gym.environment import find

        return "process" if "mujoco" in str(find(self.task).entry_point).lower() else "auto"

    def environment(self) -> Environment:
        """A new environment of the task, built in the calling process.

        Raises:
            UsageError: If there is no such task, a package that it needs is missing, or its spaces hold something
                that is neither numbers nor choices.
        """
        from unified.plugins.suites.gym.environment import GymEnvironment

        # Pictures are read, never shown: SDL looks for no screen, and complains of none.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        if self.placement == "process" and "MUJOCO_GL" not in os.environ:
            try:
                os.environ["MUJOCO_GL"] = choose().gl
            except UsageError:
                os.environ["MUJOCO_GL"] = "osmesa"  # not there: the state can be observed all the same, and pictures say what is missing
        return GymEnvironment(self.task, self.options)

    @cached_property
    def _goals(self) -> GymEnvironment:
        """The environment that recomputes rewards; nothing steps it."""
        from unified.plugins.suites.gym.environment import GymEnvironment

        return GymEnvironment(self.task, self.options)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_reward(achieved, desired)

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_terminated(achieved, desired)

    def vector(self, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
        """CartPole, Pendulum and MountainCar as array operations; the other tasks have no vectorised implementation here."""
        from unified.plugins.suites.gym.vectorised import vector_of

        return vector_of(self, num_envs, seed, stream)

    def notes(self) -> list[str]:
        return [str(choose())] if getattr(self.options, "pixels", False) and self.placement == "process" else []
