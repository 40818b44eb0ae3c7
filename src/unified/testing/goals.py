"""Goal tasks so small that hindsight decides whether they are learned: `BitFlip` for choices, `PointReach` for numbers.

$ unified train --agent dqn --suite unified.testing:BitFlip replay.sampler=hindsight

The reward is -1 for each step that does not reach the goal, so a run that never reaches one learns nothing without hindsight. A reset
takes the option ``goal`` (`WorkerVectorEnv.set_reset_options`). Torch-free and deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from unified.core.base.spec import Space, Spec
from unified.core.components.options import Options as Base
from unified.core.envs.suite import Environment, Step, Suite

__all__ = ["BitFlip", "PointReach"]


class BitFlipOptions(Base):
    """The size of the task."""

    bits: int = Field(10, ge=1)
    """Number of bits, and of steps in an episode."""


class BitFlip(Suite):
    """n bits, of which each action flips one, until they are those of the goal. Andrychowicz et al. 2017, section 3.1."""

    Options = BitFlipOptions

    def environment(self) -> Environment:
        return _Bits(self)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self.compute_terminated(achieved, desired).astype(np.float32) - 1

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        reached: np.ndarray = (achieved == desired).all(axis=-1)
        return reached


class _Bits(Environment):
    def __init__(self, suite: BitFlip) -> None:
        self._suite, bits = suite, Space((suite.options.bits,), "float32", 0, 1)
        observation = {"achieved_goal": bits, "desired_goal": bits}  # the state is what was achieved
        action, columns = Space((), "int64", 0, bits.size - 1, bits.size), {"success": Space((), "bool")}
        self.spec = Spec(observation, action, reward_range=(-1, 0), episode_frames=bits.size, columns=columns)

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        drawn = np.random.default_rng(seed).integers(0, 2, (2, self.spec.action.n or 0)).astype(np.float32)
        self._bits, self._goal, self._steps = drawn[0], np.array((options or {}).get("goal", drawn[1]), np.float32), 0
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        self._bits[int(action)] = 1 - self._bits[int(action)]
        self._steps += 1
        reward = self._suite.compute_reward(self._bits[None], self._goal[None])[0]
        reached = bool(reward == 0)
        return Step(self._observation(), float(reward), reached, self._steps == len(self._bits), extra={"success": reached})

    def _observation(self) -> Mapping[str, np.ndarray]:
        return {"achieved_goal": self._bits.copy(), "desired_goal": self._goal.copy()}


class PointReach(Suite):
    """A point in a square moves by its action, and ought to be near the goal. An episode of 25 steps never terminates (as in Fetch)."""

    #: Greatest distance, in each direction, that counts as reached; and the longest step in each direction.
    near, longest = 0.1, 0.2

    def environment(self) -> Environment:
        return _Point(self)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (np.abs(achieved - desired).max(axis=-1) <= self.near).astype(np.float32) - 1


class _Point(Environment):
    def __init__(self, suite: PointReach) -> None:
        self._suite, place = suite, Space((2,), "float32", -1, 1)
        observation = {"observation": place, "achieved_goal": place, "desired_goal": place}
        self.spec = Spec(observation, place, reward_range=(-1, 0), episode_frames=25, columns={"success": Space((), "bool")})

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        self._place, goal = np.random.default_rng(seed).uniform(-1, 1, (2, 2)).astype(np.float32)
        self._goal, self._velocity, self._steps = np.array((options or {}).get("goal", goal), np.float32), np.zeros(2, np.float32), 0
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        before, self._steps = self._place, self._steps + 1
        self._place = np.clip(before + self._suite.longest * np.clip(action, -1, 1), -1, 1).astype(np.float32)
        self._velocity = self._place - before
        reward = float(self._suite.compute_reward(self._place[None], self._goal[None])[0])
        return Step(self._observation(), reward, False, self._steps == 25, extra={"success": reward == 0})

    def _observation(self) -> Mapping[str, np.ndarray]:
        return {"observation": self._velocity, "achieved_goal": self._place, "desired_goal": self._goal}
