"""Acts in the environments and brings what happens into the replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.action import Action

if TYPE_CHECKING:
    from unified.core.agent import Agent
    from unified.core.environment import Steps, Vector
    from unified.core.replay import Replay
    from unified.core.spec import Space


class FrameStack:
    """The last observations of n environments, stacked along the channels as the replay stacks them.

    Args:
        space: Of one observation.
        count: n.
        stack: Observations in a stack; the first of an episode stands for those before it.
    """

    def __init__(self, space: Space, count: int, stack: int) -> None:
        self.frames = np.zeros((count, stack, *space.shape), space.dtype)

    def begin(self, index: int, observation: np.ndarray) -> None:
        """A new episode of environment `index`."""
        self.frames[index] = observation

    def push(self, index: int, observation: np.ndarray) -> None:
        """The next observation of the same episode."""
        self.frames[index, :-1] = self.frames[index, 1:]
        self.frames[index, -1] = observation

    def stacked(self, device: torch.device) -> torch.Tensor:
        """``(n, stack * C, H, W)``, or ``(n, stack * D)``, on `device`; a copy."""
        count, stack, first, *rest = self.frames.shape if self.frames.ndim > 2 else (*self.frames.shape, 1)
        return torch.from_numpy(self.frames.reshape(count, stack * first, *rest).copy()).to(device)


class Collector:
    """Steps the environments in lock-step with learning: they act and render while updates run, with a fixed lag of one step.

    Args:
        environments: That are trained in.
        agent: That acts.
        replay: That keeps the rows.
    """

    def __init__(self, environments: Vector, agent: Agent, replay: Replay) -> None:
        self.environments, self.agent, self.replay = environments, agent, replay
        self.stack = FrameStack(environments.spec.observation, environments.count, agent.needs.stack)
        self._stored: np.ndarray | None = None

    def start(self) -> None:
        """Reset all environments and open an episode in the replay for each."""
        for lane, observation in enumerate(self.environments.reset()):
            self.replay.begin(lane, observation)
            self.stack.begin(lane, observation)

    def begin(self) -> None:
        """Send the agent's actions; returns at once."""
        action = self.agent.act(self.stack.stacked(self.agent.device), explore=True)
        if not isinstance(action, Action):
            raise TypeError(f"act must return a unified.Action(stored, enacted), not {type(action).__name__}")
        self._stored = action.stored.cpu().numpy()
        self.environments.begin(action.enacted.cpu().numpy())

    def finish(self) -> Steps:
        """Wait for the environments; the rows enter the replay."""
        assert self._stored is not None, "finish() without begin()"
        steps = self.environments.finish()
        self.replay.extend(self._stored, steps)
        for lane in range(self.environments.count):
            if steps.terminated[lane] or steps.truncated[lane] or steps.failed[lane]:
                self.stack.begin(lane, steps.reset_observation[lane])
            else:
                self.stack.push(lane, steps.observation[lane])
        return steps

    def state_dict(self) -> dict[str, Any]:
        return {"environments": self.environments.state_dict(), "frames": self.stack.frames.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rebuild the unfinished episodes; one that does not come out as it was left is dropped, and the next one begins."""
        self.environments.load_state_dict(state["environments"])
        self.stack.frames[:] = state["frames"]
        for lane in np.flatnonzero(~self.environments.rebuilt):
            observation = self.environments.observations[lane]
            self.replay.discard(int(lane))
            self.replay.begin(int(lane), observation)
            self.stack.begin(int(lane), observation)
