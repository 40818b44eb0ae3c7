"""Registered Gymnasium environments with numeric or discrete spaces (Towers et al. 2024, arXiv:2407.17032)."""

from __future__ import annotations

import os
from typing import Literal

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.opengl import choose


class Gym(Suite):
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
        from unified.plugins.suites.gym.environment import GymEnvironment

        # SDL renders without a screen
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        if self.placement == "process" and "MUJOCO_GL" not in os.environ:
            try:
                os.environ["MUJOCO_GL"] = choose().gl
            except UsageError:
                os.environ["MUJOCO_GL"] = "osmesa"  # not installed: the state can still be observed, and rendering reports what is missing
        return GymEnvironment(self.task, self.options)

    def notes(self) -> list[str]:
        return [str(choose())] if getattr(self.options, "pixels", False) and self.placement == "process" else []
