"""Valid actions as an observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from unified.core.base.errors import Problem, UsageError


class ActionMask(gymnasium.Wrapper):  # type: ignore[type-arg]
    """Adds ``info["action_mask"]``, 1 for each valid action, to the observations: ``{"observation": …, "action_mask": …}``.

    Args:
        env: With a `Discrete` action space; the observations of a `Dict` keep their keys.
        task: Name for messages.

    Raises:
        UsageError: If its actions are no single choice.
    """

    def __init__(self, env: Any, task: str) -> None:
        super().__init__(env)
        self._task, self._space = task, env.observation_space
        if not isinstance(env.action_space, spaces.Discrete):
            raise UsageError(Problem(f"suite.action_mask is for one choice, and {task} takes {env.action_space}", "leave it out"))
        inner = dict(self._space.spaces) if isinstance(self._space, spaces.Dict) else {"observation": self._space}
        self.observation_space = spaces.Dict({**inner, "action_mask": spaces.MultiBinary(int(env.action_space.n))})

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """As of the environment."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._joined(observation, info), info

    def step(self, action: Any) -> Any:
        """As of the environment."""
        observation, *rest, info = self.env.step(action)
        return (self._joined(observation, info), *rest, info)

    def _joined(self, observation: Any, info: Mapping[str, Any]) -> dict[str, Any]:
        if "action_mask" not in info:
            what = f'suite.action_mask: {self._task} gives no info["action_mask"]; it gives {", ".join(info) or "nothing"}'
            raise UsageError(Problem(what, "leave it out"))
        seen = observation if isinstance(self._space, spaces.Dict) else {"observation": observation}
        return {**seen, "action_mask": np.asarray(info["action_mask"], np.int8)}
