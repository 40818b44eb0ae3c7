"""Suites that break one rule each. Torch-free, but for the one whose fault it is."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite
from unified.core.envs.vector_env import WorkerVectorEnv


class Walk(Environment):
    """A point that goes where it is pushed, and stops after `limit` steps: right in every way."""

    limit = 12
    truncates = True
    dtype = "float32"
    scale = 1.0

    def __init__(self) -> None:
        self.spec = Spec(Space((3,), "float32", -20.0, 20.0), Space((2,), "float32", -1.0, 1.0), "control", (-1.0, 1.0), 1, 12)
        self.place, self.steps = np.zeros(3), 0

    def reset(self, seed: int) -> np.ndarray:
        self.random = np.random.default_rng(seed)
        self.place, self.steps = self.random.uniform(-0.1, 0.1, 3), 0
        return self.observe()

    def step(self, action: np.ndarray) -> Step:
        self.place = self.place + np.array([action[0], action[1], 0.5])
        self.steps += 1
        over = self.steps >= self.limit
        return Step(self.observe(), self.scale * float(np.tanh(self.place[0])), over and not self.truncates, over and self.truncates)

    def observe(self) -> np.ndarray:
        return self.place.astype(self.dtype)


class Overwrites(Walk):
    buffer = np.zeros(3, np.float32)

    def observe(self) -> np.ndarray:
        self.buffer[:] = self.place
        return self.buffer


class ShowsTheNext(Walk):
    def step(self, action: np.ndarray) -> Step:
        step = super().step(action)
        return step._replace(observation=self.reset(int(self.random.integers(2**31)))) if step.truncated else step


class Remembers(Walk):
    """A little of every episode is left for the next one."""

    wind = 0.0

    def step(self, action: np.ndarray) -> Step:
        self.wind += 0.001
        self.place[1] += self.wind
        return super().step(action)


class Drifts(Walk):
    """The time of day is in it."""

    def observe(self) -> np.ndarray:
        return super().observe() + np.float32(time.perf_counter() % 1.0)


class TooPrecise(Walk):
    dtype = "float64"


class TooGenerous(Walk):
    scale = 3.0


class CutsOffEarly(Walk):
    limit = 9


class CallsTimeAnEnd(Walk):
    truncates = False


class ForwardsTooLittle(Walk):
    def fast_forward(self, seed: int, actions: np.ndarray) -> np.ndarray:
        observation = super().fast_forward(seed, actions)
        self.place[2] += 0.25
        return observation


class SavesTooLittle(Walk):
    def state_dict(self) -> dict[str, np.ndarray]:
        return {"place": self.place.copy()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> np.ndarray:
        self.place = state["place"] + 0.0
        self.steps = 0
        return self.observe()


class SeedsOtherwise(Walk):
    """Its vectorised implementation resets with seeds of its own."""


class ClosesOnce(Walk):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("it is closed")
        self.closed = True


class Heavy(Walk):
    def __init__(self) -> None:
        import torch  # noqa: F401

        super().__init__()


class BadPicture(Walk):
    def render(self, height: int, width: int) -> np.ndarray:
        return np.zeros((width, height, 3), np.uint8)


class Dies(Walk):
    def step(self, action: np.ndarray) -> Step:
        os._exit(3)


class Wrong(Suite):
    """The task is the name of a class above."""

    def environment(self) -> Any:
        return globals()[self.task]()

    def vector(self, num_envs: int, seed: int, stream: str) -> Any:
        seed += self.task == "SeedsOtherwise"
        return WorkerVectorEnv(self, num_envs, seed, stream, "inline") if self.task in ("SeedsOtherwise", "Walk") else None
