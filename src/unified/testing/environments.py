"""Small deterministic environments with configurable faults. Torch-free."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, EpisodeFailed, Step, Suite, UnsupportedRender


@dataclass(frozen=True)
class CounterOptions:
    """Options of a `Counter`.

    Args:
        length: Agent steps of an episode.
        terminates: Whether its end is a terminal state or a time limit.
        misbehave: ``"nan"``, ``"nan_reward"``, ``"fail"``, ``"hang"``, ``"die"``, ``"raise"``, ``"shape"``;
            ``"build"``: when it is built; ``"render"``: it has no picture.
        at: Agent step of the fault within an episode, from 1; 0 is the reset.
        once: Path of a file that the first fault creates and that prevents further faults; empty for a fault in every episode.
        choices: Number of discrete actions; 0: one continuous action.
        pixels: Height and width of the observed image; 0 for a vector.
        pause: Duration of a step in seconds.
        deterministic: Value in the spec; if false, episodes differ.
        stateful: Whether its state can be saved and loaded.
    """

    length: int = 10
    terminates: bool = False
    misbehave: str = ""
    at: int = 1
    once: str = ""
    choices: int = 0
    pixels: int = 0
    pause: float = 0.0
    deterministic: bool = True
    stateful: bool = False


class Counter(Suite):
    """A task with observations (seed, steps, a sum that depends on every action); the reward is the change of the sum."""

    def __init__(self, task: str, options: Any) -> None:
        super().__init__(task, options)
        self.settings = CounterOptions(**vars(options))

    def environment(self) -> Environment:
        if self.settings.misbehave == "build":
            raise RuntimeError("it cannot be built")
        return CounterEnvironment(self.settings)


class CounterEnvironment(Environment):
    """See `Counter`."""

    def __init__(self, options: CounterOptions) -> None:
        self.options = options
        side, choices = options.pixels, options.choices
        self.spec = Spec(
            observation=Space((3, side, side), "uint8", 0, 255) if side else Space((3,), "float32"),
            action=Space((), "int64", 0, choices - 1, choices) if choices else Space((1,), "float32", -1.0, 1.0),
            episode_frames=options.length,
            deterministic=options.deterministic,
        )
        self.seed = self.steps = 0
        self.sum = 0.0

    def reset(self, seed: int) -> np.ndarray:
        self.seed, self.steps = seed, 0
        self.sum = float(np.random.RandomState(seed).uniform()) if self.options.deterministic else time.perf_counter()
        self._misbehave()
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        time.sleep(self.options.pause)
        self.steps += 1
        before, self.sum = self.sum, float(np.cos(self.sum * 3 + float(np.sum(action))))
        reward = float("nan") if self._misbehave() == "nan_reward" else self.sum - before
        ended = self.steps >= self.options.length
        return Step(self._observation(), reward, ended and self.options.terminates, ended and not self.options.terminates)

    def state_dict(self) -> dict[str, np.ndarray] | None:
        if not self.options.stateful:
            return None
        return {"counts": np.array([self.seed, self.steps]), "sum": np.array(self.sum)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> np.ndarray:
        self.seed, self.steps = state["counts"].tolist()
        self.sum = float(state["sum"])
        return self._observation()

    def render(self, height: int, width: int) -> np.ndarray:
        if self.options.misbehave == "render":
            raise UnsupportedRender("a counter that hides")
        return np.full((height, width, 3), self.steps % 256, np.uint8)

    def _observation(self) -> np.ndarray:
        if self.options.pixels:
            value = np.random.RandomState(int(self.sum * 1e6) % 2**31)
            return value.randint(0, 256, self.spec.observation.shape).astype(np.uint8)
        observation = np.array([self.seed % 1000, self.steps, self.sum], np.float32)
        due = self.steps == self.options.at
        if due and self.options.misbehave == "nan":
            observation[2] = np.nan
        return observation[:2] if due and self.options.misbehave == "shape" else observation

    def _misbehave(self) -> str:
        """The fault due at this step; it is executed here unless the caller has to."""
        what, once = self.options.misbehave, self.options.once
        if not what or self.steps != self.options.at or (once and Path(once).exists()):
            return ""
        if once:
            Path(once).touch()
        if what == "hang":
            time.sleep(3600)
        elif what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "fail":
            raise EpisodeFailed("as requested")
        elif what == "raise":
            raise ValueError("as requested")
        return what
