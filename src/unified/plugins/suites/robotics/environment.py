"""An environment of Gymnasium-Robotics. Does not import torch."""

from __future__ import annotations

import contextlib
import copy
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gymnasium

from unified.plugins.suites.gym.environment import GymEnvironment, make


class RoboticsEnvironment(GymEnvironment):
    """A task whose steps say whether they succeed, and whose observations have the goal that the next reward is for.

    Args:
        task: Id of Gymnasium-Robotics.
        options: With `continuing` and `reset_target` beside those of the suite gym.
    """

    def __init__(self, task: str, options: Any) -> None:
        import_robotics()
        registered = copy.deepcopy(gymnasium.spec(task))
        rules = {"continuing_task": options.continuing, "reset_target": options.reset_target}
        registered.kwargs.update({name: value for name, value in rules.items() if value is not None})
        super().__init__(f"robotics:{task}", options, make(registered))
        low, high = _rewards(self.unwrapped)
        self.spec = replace(self.spec, reward_range=(low * options.action_repeat, high * options.action_repeat))

    @property
    def tells_success(self) -> bool:
        return True

    def succeeded(self, terminated: bool, info: Mapping[str, Any]) -> bool:
        """As the task says; the kitchen does not, and terminates when everything is done."""
        return super().succeeded(terminated, info) if {"success", "is_success"} & info.keys() else terminated

    def _act(self, action: Any) -> tuple[Any, float, bool, bool, Mapping[str, Any]]:
        observation, *rest = super()._act(action)
        if getattr(self.unwrapped, "reset_target", False):  # the step at which the goal moves still shows the old one (its issue 258)
            observation = {**observation, "desired_goal": self.unwrapped.goal.copy()}
        return observation, *rest


def _rewards(env: Any) -> tuple[float, float]:
    """Least and greatest reward of a frame, as far as the kind of the task says."""
    sparse = getattr(env, "reward_type", "") == "sparse"
    if hasattr(env, "continuing_task"):  # a maze: 1 at the goal, or exp(-distance)
        return 0.0, 1.0
    if hasattr(env, "reward_type"):  # 0 at the goal, or -distance
        return (-1.0, 0.0) if sparse else (-math.inf, 0.0)
    return -math.inf, math.inf


def import_robotics() -> None:
    """Import Gymnasium-Robotics, so that its tasks are registered and work with MuJoCo 3.17.

    There ``mujoco.mjtJoint.mjJNT_HINGE == numpy.int32(3)`` is false, and its functions on joints end in an `AssertionError`. They get the
    types of joints as integers instead. Versions after 1.4.2 may not need it, and it does them no harm.
    """
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):  # an advertisement of version 1.4.3
        import gymnasium_robotics
        import mujoco
        from gymnasium_robotics.utils import mujoco_utils

    gymnasium.register_envs(gymnasium_robotics)
    joints = {name: int(kind) for name, kind in mujoco.mjtJoint.__members__.items()}
    mujoco_utils.mujoco = SimpleNamespace(**{**vars(mujoco), "mjtJoint": SimpleNamespace(**joints)})
