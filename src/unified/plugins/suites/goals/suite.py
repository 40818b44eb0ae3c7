"""Goal tasks so small that hindsight decides whether they are learned: `bit_flip` for choices, `point_reach` for numbers.

$ unified train --agent dqn --suite goals:bit_flip replay.sampler=hindsight

The reward is -1 for each step that does not reach the goal, so a run that never reaches one learns nothing without hindsight. A reset
takes the option ``goal`` (`WorkerVectorEnv.set_reset_options`). Torch-free and deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite

_SUCCESS = {"success": Space((), "bool")}


class Goals(Suite):
    """``goals:bit_flip`` and ``goals:point_reach``."""

    options: Any

    def environment(self) -> Environment:
        return BitFlip(self.options.n) if self.task == "bit_flip" else PointReach()

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return _TASKS[self.task].reached(achieved, desired).astype(np.float32) - 1

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        task = _TASKS[self.task]
        return task.reached(achieved, desired) if task.terminates else np.zeros(len(achieved), bool)


class BitFlip(Environment):
    """n bits, of which each action flips one, until they are those of the goal. Andrychowicz et al. 2017, section 3.1.

    Args:
        n: Bits, and steps of an episode.
    """

    terminates = True

    def __init__(self, n: int) -> None:
        bits = Space((n,), "float32", 0, 1)
        observation = {"achieved_goal": bits, "desired_goal": bits}  # the state is what was achieved
        self.spec = Spec(observation, Space((), "int64", 0, n - 1, n), reward_range=(-1, 0), episode_frames=n, columns=_SUCCESS)

    @staticmethod
    def reached(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether goals ``(B, n)`` are reached: bool ``(B,)``."""
        same: np.ndarray = (achieved == desired).all(axis=-1)
        return same

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        drawn = np.random.default_rng(seed).integers(0, 2, (2, self.spec.action.n or 0)).astype(np.float32)
        self._bits, self._goal, self._steps = drawn[0], np.array((options or {}).get("goal", drawn[1]), np.float32), 0
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        self._bits[int(action)] = 1 - self._bits[int(action)]
        self._steps += 1
        reached = bool(self.reached(self._bits, self._goal))
        return Step(self._observation(), reached - 1.0, reached, self._steps == len(self._bits), extra={"success": reached})

    def _observation(self) -> Mapping[str, np.ndarray]:
        return {"achieved_goal": self._bits.copy(), "desired_goal": self._goal.copy()}


class PointReach(Environment):
    """A point in a square moves by its action, and ought to be near the goal. An episode of 25 steps never terminates (as in Fetch)."""

    terminates = False
    #: Greatest distance, in each direction, that counts as reached; and the longest step in each direction.
    near, longest = 0.1, 0.2

    def __init__(self) -> None:
        place = Space((2,), "float32", -1, 1)
        observation = {"observation": place, "achieved_goal": place, "desired_goal": place}
        self.spec = Spec(observation, place, reward_range=(-1, 0), episode_frames=25, columns=_SUCCESS)

    @classmethod
    def reached(cls, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether goals ``(B, 2)`` are reached: bool ``(B,)``."""
        near: np.ndarray = np.abs(achieved - desired).max(axis=-1) <= cls.near
        return near

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        self._place, goal = np.random.default_rng(seed).uniform(-1, 1, (2, 2)).astype(np.float32)
        self._goal, self._velocity, self._steps = np.array((options or {}).get("goal", goal), np.float32), np.zeros(2, np.float32), 0
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        before, self._steps = self._place, self._steps + 1
        self._place = np.clip(before + self.longest * np.clip(action, -1, 1), -1, 1).astype(np.float32)
        self._velocity = self._place - before
        reached = bool(self.reached(self._place, self._goal))
        return Step(self._observation(), reached - 1.0, False, self._steps == 25, extra={"success": reached})

    def _observation(self) -> Mapping[str, np.ndarray]:
        return {"observation": self._velocity, "achieved_goal": self._place, "desired_goal": self._goal}


_TASKS: dict[str, type[BitFlip] | type[PointReach]] = {"bit_flip": BitFlip, "point_reach": PointReach}
