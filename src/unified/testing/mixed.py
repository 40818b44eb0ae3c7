"""A task with a picture and a vector, both of which an agent has to read. Torch-free and deterministic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite

__all__ = ["Mixed"]


class Mixed(Suite):
    """One step: the brightness of a picture is one bit, the sign of a number another, and the right one of four choices names both.

    Each bit that the choice names is worth 1/2. Uniform random choices return 1/2 on average, and an agent that reads only one of the two
    observations 3/4.
    """

    def environment(self) -> Environment:
        return _Mixed()


class _Mixed(Environment):
    def __init__(self) -> None:
        observation = {"image": Space((1, 16, 16), "uint8", 0, 255), "vector": Space((1,), "float32", -1, 1)}
        columns = {"bits": Space((2,), "int64")}
        self.spec = Spec(observation, Space((), "int64", 0, 3, 4), reward_range=(0, 1), episode_frames=1, columns=columns)

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        bits = np.random.default_rng(seed).integers(0, 2, 2)
        self._bits = np.array((options or {}).get("bits", bits), np.int64)
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        named = np.array(divmod(int(action), 2))
        return Step(self._observation(), float((named == self._bits).mean()), True, False, extra={"bits": self._bits})

    def _observation(self) -> Mapping[str, np.ndarray]:
        image, vector = self._bits[0] * 255, self._bits[1] * 2 - 1
        return {"image": np.full((1, 16, 16), image, np.uint8), "vector": np.full(1, vector, np.float32)}
