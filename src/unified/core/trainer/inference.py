"""A trained agent that acts, for whoever wants to use it outside training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unified.core.base.errors import UsageError
from unified.core.base.spec import Space
from unified.core.learn.device import torch_defaults
from unified.core.trainer.sources import PolicyInput

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.envs.suite import Observation
    from unified.core.learn.agent import Agent


Convert: TypeAlias = Callable[[Any], Any]


class InferencePolicy:
    """Acts on one environment at a time; keeps the last frames of the episode and the state of the policy.

    Args:
        agent: The trained agent.
        spec: Of the task it was trained on.
        frames: Of training that it has seen.
        converters: From an observation of the environment to one of the spec, and from an action of the spec to one of the environment;
            ``None`` if they are the same.
    """

    def __init__(self, agent: Agent, spec: Spec, frames: int = 0, converters: tuple[Convert, Convert] | None = None) -> None:
        self.agent, self.spec, self.frames, self._converters = agent, spec, frames, converters
        self._inputs = PolicyInput(agent, spec, 1)
        self._fresh = True

    def reset(self) -> None:
        """Begin a new episode: the next observation is its first one, and a recurrent policy starts from its initial state."""
        self._fresh = True

    @torch_defaults()
    def act(self, observation: Any, *, explore: bool = False, reward: float = 0.0) -> Any:
        """The action for one observation, as the environment takes it.

        Args:
            observation: One observation, unstacked, as the environment gives it: of a Gymnasium environment an element of its
                ``observation_space``; else an array with the shape of ``spec.observation`` and a dtype that casts to its dtype, or a
                mapping of them if observations have names.
            explore: Whether to act as in training.
            reward: Of the step before; a policy that is told the return that is wanted reads it (`decision_transformer`).

        Raises:
            UsageError: If the observation has other names, another shape, or a dtype that does not cast: floats given for bytes, for
                example.

        Returns:
            Of a Gymnasium environment an element of its ``action_space``; else an array with the shape of ``spec.action``.
        """
        observation = self._checked(self._converters[0](observation) if self._converters else observation)
        if self._fresh:
            self._inputs.begin(0, observation)
            self._fresh = False
        else:
            self._inputs.push(0, observation, reward)
        action = self._inputs.act(explore=explore)
        env_action = action.env_action[0].cpu().numpy()
        return self._converters[1](env_action) if self._converters else env_action

    def _checked(self, observation: Observation) -> np.ndarray:
        if isinstance(self.spec.observation, Space):
            return _fitting("observation", self.spec.observation, observation)
        spaces = self.spec.observation
        if not isinstance(observation, Mapping) or observation.keys() != spaces.keys():
            given = ", ".join(observation) if isinstance(observation, Mapping) else type(observation).__name__
            raise UsageError(f"observation has {given}; this agent takes {', '.join(spaces)}")
        record = self.spec.zeros(1)
        for name, space in spaces.items():
            record[name][0] = _fitting(f"observation {name}", space, observation[name])
        return record.reshape(())


def _fitting(what: str, space: Space, observation: Any) -> np.ndarray:
    array = np.asarray(observation)
    if array.shape != space.shape:
        raise UsageError(f"{what} has shape {array.shape}; this agent takes {space.shape}")
    if not np.can_cast(array.dtype, space.dtype, "same_kind"):
        raise UsageError(f"{what} has dtype {array.dtype}; this agent takes {space.dtype}")
    return array
