"""The environment side of the reference's training loop: `physics.render` at every step, three frames stacked, in the training process."""

from __future__ import annotations

import os
from collections import deque

os.environ.setdefault("MUJOCO_GL", "osmesa")
os.environ.setdefault("PYOPENGL_PLATFORM", os.environ["MUJOCO_GL"])

import numpy as np
from dm_control import suite


class ReferenceEnvironment:
    def __init__(self, domain: str, task: str, repeat: int = 2) -> None:
        self.environment = suite.load(domain, task, task_kwargs={"random": 1})
        self.actions = self.environment.action_spec().shape[0]
        self.repeat = repeat
        self.frames: deque[np.ndarray] = deque(maxlen=3)

    def _pixels(self) -> np.ndarray:
        return self.environment.physics.render(height=84, width=84, camera_id=0).transpose(2, 0, 1).copy()

    def reset(self) -> np.ndarray:
        self.environment.reset()
        self.frames.extend([self._pixels()] * 3)
        return np.concatenate(self.frames)

    def step(self, action: np.ndarray) -> np.ndarray:
        for _ in range(self.repeat):
            if self.environment.step(action).last():
                return self.reset()
        self.frames.append(self._pixels())
        return np.concatenate(self.frames)

    def noise_episode(self, steps: int, seed: int) -> dict[str, np.ndarray]:
        """An episode as it would lie on disk, of noise: how fast it is read does not depend on what it shows."""
        rng = np.random.default_rng(seed)
        return {
            "observation": rng.integers(0, 256, (steps + 1, 9, 84, 84), dtype=np.uint8),
            "action": rng.uniform(-1, 1, (steps + 1, self.actions)).astype(np.float32),
            "reward": rng.random((steps + 1, 1), dtype=np.float32),
            "discount": np.ones((steps + 1, 1), np.float32),
        }
