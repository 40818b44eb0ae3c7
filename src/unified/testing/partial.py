"""Tasks that hide a part of their state: a policy needs a memory. Torch-free."""

from __future__ import annotations

from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite


class CartPoleWithoutVelocities(Suite):
    """Gymnasium's CartPole-v1 that shows positions only: of the cart and of the pole, ``(2,)`` float32. At most 500 steps of reward 1.

    Positions are fractions of the limits at which an episode ends, 2.4 m and 12°: in metres and radians they are too small for a recurrent
    network to see their differences. The RL Zoo divides them by their running deviation instead (`normalize: true`).

    One observation does not tell in which direction the pole falls, so a policy without a memory cannot balance it.
    """

    placement = "inline"

    def environment(self) -> Environment:
        """A new cart pole.

        Raises:
            UsageError: If Gymnasium is not installed.
        """
        try:
            return _Positions()
        except ModuleNotFoundError as error:
            raise UsageError(Problem("CartPoleWithoutVelocities needs gymnasium", "pip install unified-ml[gym]")) from error


class _Positions(Environment):
    def __init__(self) -> None:
        import gymnasium

        self._env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
        pole: Any = self._env.unwrapped
        self._limits = np.array([pole.x_threshold, pole.theta_threshold_radians], np.float32)
        self.spec = Spec(
            observation=Space((2,), "float32"), action=Space((), "int64", 0, 1, 2), reward_range=(0.0, 1.0), episode_frames=500
        )

    def reset(self, seed: int) -> np.ndarray:
        observation, _ = self._env.reset(seed=seed)
        return self._positions(observation)

    def step(self, action: np.ndarray) -> Step:
        observation, reward, terminated, truncated, _ = self._env.step(int(action))
        return Step(self._positions(observation), float(reward), terminated, truncated)

    def render(self, height: int, width: int) -> np.ndarray:
        from unified.plugins.suites.pictures import resize

        return resize(np.asarray(self._env.render()), height, width)

    def close(self) -> None:
        self._env.close()

    def _positions(self, observation: np.ndarray) -> np.ndarray:
        """Position of the cart and angle of the pole; 1 and 3 are their velocities."""
        return np.asarray(observation, np.float32)[[0, 2]] / self._limits
