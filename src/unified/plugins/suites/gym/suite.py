"""Registered Gymnasium environments with numeric or discrete spaces (Towers et al. 2024, arXiv:2407.17032)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.gym.goals import GoalRewards
from unified.plugins.suites.gym.scores import normalised, references
from unified.plugins.suites.opengl import choose

if TYPE_CHECKING:
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.plugins.suites.gym.environment import GymEnvironment


class Gym(GoalRewards, Suite):
    """``gym:<id>``, e.g. ``gym:CartPole-v1``; ``gym:package:Id-v0`` imports `package` first, as Gymnasium does."""

    @property
    def placement(self) -> Literal["auto", "process", "inline"]:  # type: ignore[override]
        """MuJoCo tasks run in processes of their own, since their OpenGL must not share a process with Triton."""
        from unified.plugins.suites.gym.environment import find

        return "process" if "mujoco" in str(find(self.task).entry_point).lower() else "auto"

    def environment(self) -> Environment:
        """A new environment of the task, in the calling process.

        Raises:
            UsageError: If there is no such task, a required package is missing, or its spaces are neither
                numeric nor discrete.
        """
        # SDL renders without a screen
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        if self.placement == "process" and "MUJOCO_GL" not in os.environ:
            try:
                os.environ["MUJOCO_GL"] = choose().gl
            except UsageError:
                os.environ["MUJOCO_GL"] = "osmesa"  # not installed: the state can still be observed, and rendering reports what is missing
        return self.new_environment()

    def new_environment(self) -> GymEnvironment:
        from unified.plugins.suites.gym.environment import GymEnvironment

        return GymEnvironment(self.task, self.options)

    def vector(self, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
        """CartPole, Pendulum, MountainCar and the MuJoCo tasks of version 5; the other tasks have no vectorised implementation here."""
        from unified.plugins.suites.gym.vectorised import vector_of

        return vector_of(self, num_envs, seed, stream)

    def extra_metrics(self, row: Mapping[str, Any]) -> Mapping[str, float]:
        """Add the normalised score of D4RL, for tasks whose random and expert returns are published."""
        found = references(self.task)
        return {} if found is None else {"normalized_score": normalised(row["return"], *found)}

    def notes(self) -> list[str]:
        return [str(choose())] if getattr(self.options, "pixels", False) and self.placement == "process" else []
