"""A trained agent that acts, for whoever wants to use it outside training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unified.core.base.errors import UsageError
from unified.core.replay.batch import Batch
from unified.core.trainer.sources import FrameStack

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.learn.agent import Agent


class InferencePolicy:
    """Acts on one environment at a time and remembers the frames of the episode.

    Args:
        agent: The trained agent.
        spec: Of the task it was trained on.
        frames: Of training that it has seen.
    """

    def __init__(self, agent: Agent, spec: Spec, frames: int = 0) -> None:
        self.agent, self.spec, self.frames = agent, spec, frames
        self._stack = FrameStack(spec.observation, 1, agent.view.stack)
        self._fresh = True

    def reset(self) -> None:
        """A new episode begins: the frames of the last one are forgotten."""
        self._fresh = True

    def act(self, observation: np.ndarray, *, explore: bool = False) -> np.ndarray:
        """The action for one observation, as the environment takes it.

        Args:
            observation: One observation, unstacked, with the shape of ``spec.observation`` and a dtype that casts to its dtype.
            explore: Whether to act as in training.

        Raises:
            UsageError: If the observation has another shape, or a dtype that does not cast: floats given for bytes, for example.
        """
        space, observation = self.spec.observation, np.asarray(observation)
        if observation.shape != space.shape:
            raise UsageError(f"observation has shape {observation.shape}; this agent takes {space.shape}")
        if not np.can_cast(observation.dtype, space.dtype, "same_kind"):
            raise UsageError(f"observation has dtype {observation.dtype}; this agent takes {space.dtype}")
        if self._fresh:
            self._stack.begin(0, observation)
            self._fresh = False
        else:
            self._stack.push(0, observation)
        action = self.agent.act(Batch(obs=self._stack.stacked(self.agent.device)), explore=explore)
        return action.env_action[0].cpu().numpy()
