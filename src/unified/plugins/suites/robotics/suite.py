"""Gymnasium-Robotics: arms, hands and mazes, most of them with goals (Plappert et al. 2018, arXiv:1802.09464)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import FilesMissing, Problem, UsageError
from unified.plugins.suites.gym.suite import Gym

if TYPE_CHECKING:
    from unified.plugins.suites.gym.environment import GymEnvironment


class Robotics(Gym):
    """``robotics:<id>``, e.g. ``robotics:FetchReach-v4``; without ``Dense`` in the id, a step is worth -1 or 0, in mazes 0 or 1.

    Environments run in processes of their own, as those of the suite dmc do.
    """

    options: Any
    placement = "process"

    def new_environment(self) -> GymEnvironment:
        check(self.task, self.options)
        from unified.plugins.suites.robotics.environment import RoboticsEnvironment

        return RoboticsEnvironment(self.task, self.options)

    def vector(self, num_envs: int, seed: int, stream: str) -> None:
        """None of the tasks has a vectorised implementation."""


def check(task: str | None, options: Any) -> None:
    """Check that Gymnasium-Robotics is installed, and that the rules of mazes are set for mazes.

    Raises:
        FilesMissing: If the package is missing.
        UsageError: If another task has rules of mazes.
    """
    if find_spec("gymnasium_robotics") is None:
        raise FilesMissing(Problem("suite robotics needs the package gymnasium-robotics", "pip install 'unified-ml[robotics]'"))
    for name in ("continuing", "reset_target"):
        if getattr(options, name) is not None and "Maze" not in (task or ""):
            raise UsageError(Problem(f"suite.{name} is for mazes, and {task} is none", "leave it out"))
