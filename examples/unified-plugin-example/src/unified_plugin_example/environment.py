"""The environment. It does not import torch, since it may run in a process of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from unified import Environment, Space, Spec, Step

#: Colours of water, buoy and boat.
WATER, BUOY, BOAT = (24, 66, 110), (235, 94, 40), (250, 250, 245)


class HarbourEnvironment(Environment):
    """A boat on a square of water [-1, 1]², with thrust and drag.

    Observation: position, velocity and vector to the buoy, ``(6,)``. Action: thrust ``(2,)``.

    - ``reach``: the reward is 1 - distance to the buoy, at least 0. Only the time limit ends an episode.
    - ``dock``: the reward is the decrease of the distance minus 0.01. Resting at the buoy terminates the episode with a bonus of 1.

    Args:
        task: ``"reach"`` or ``"dock"``.
        options: An instance of `HarbourOptions`.
    """

    def __init__(self, task: str, options: Any) -> None:
        self.task, self.options = task, options
        self.spec = Spec(
            observation=Space((6,), "float32"),
            action=Space((2,), "float32", -1.0, 1.0),
            reward_range=(0.0, 1.0) if task == "reach" else (-0.3, 1.3),
            episode_frames=options.episode_steps,
        )
        self.steps = 0
        self.boat, self.velocity, self.buoy = np.zeros(2), np.zeros(2), np.zeros(2)

    def reset(self, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        self.steps = 0
        self.boat, self.buoy = random.uniform(-0.9, 0.9, 2), random.uniform(-0.7, 0.7, 2)
        self.velocity = np.zeros(2)
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        before = self.distance
        self.velocity = 0.8 * self.velocity + 0.02 * np.clip(action, -1.0, 1.0)
        moved = self.boat + self.velocity + (0.01 * self.options.current, 0.0)
        self.boat = np.clip(moved, -1.0, 1.0)
        self.velocity[self.boat != moved] = 0.0  # the shore
        self.steps += 1
        late = self.steps >= self.options.episode_steps
        if self.task == "reach":
            return Step(self._observation(), max(0.0, 1.0 - self.distance), terminated=False, truncated=late)
        docked = bool(self.distance < 0.1 and np.linalg.norm(self.velocity) < 0.05)
        reward = float(before - self.distance) - 0.01 + docked
        return Step(self._observation(), reward, terminated=docked, truncated=late and not docked)

    @property
    def distance(self) -> float:
        """Distance between boat and buoy."""
        return float(np.linalg.norm(self.buoy - self.boat))

    def render(self, height: int, width: int) -> np.ndarray:
        picture = np.full((height, width, 3), WATER, np.uint8)
        y, x = np.mgrid[1 : -1 : height * 1j, -1 : 1 : width * 1j]
        for place, radius, colour in ((self.buoy, 0.1, BUOY), (self.boat, 0.06, BOAT)):
            picture[(x - place[0]) ** 2 + (y - place[1]) ** 2 < radius**2] = colour
        return picture

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.boat, self.velocity, self.buoy - self.boat]).astype(np.float32)
