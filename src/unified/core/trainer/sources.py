"""Where experience comes from: environments that the agent acts in, or rows that are there already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.errors import Problem, UnifiedError
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.envs.step_batch import StepBatch
    from unified.core.envs.vector_env import WorkerVectorEnv
    from unified.core.learn.agent import Agent
    from unified.core.replay.buffer import Replay


class ExperienceSource(ABC):
    """Where experience comes from: a launcher chooses it (`Launcher.make_source`).

    The trainer calls `step_async`, learns while the environments step, and calls `step_wait`.

    Attributes:
        spec: Spec of the task.
        num_envs: Number of environments that are stepped.
        exact: Whether the run is a function of its configuration, so far: false if the order of events depends on time, or if the last
            `load_state_dict` could not restore everything bit for bit.
        restarts: Number of processes that were replaced.
        failed_episodes: Number of episodes that failed.
        env_failures: One line for each failure; the trainer reports and removes them.
    """

    spec: Spec
    num_envs: int = 1
    exact: bool = True
    restarts: int = 0
    failed_episodes: int = 0
    env_failures: deque[str]

    @abstractmethod
    def start(self) -> None:
        """Begin the first episodes of a new run."""

    @abstractmethod
    def step_async(self) -> None:
        """Begin a step and return at once."""

    @abstractmethod
    def step_wait(self) -> StepBatch | None:
        """Wait for rows and add them to the replay; ``None`` if it held them before.

        Rows of some environments only are a step too (`StepBatch.env_ids`): the run counts the rows that arrive.
        """

    def notes(self) -> list[str]:
        """Lines for the user before the start: why the run is not exact, for example."""
        return []

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def close(self) -> None:  # noqa: B027  # nothing to release
        """Release everything. Closing twice does no harm."""


class DatasetSource(ExperienceSource):
    """Rows that are there already: a data set, or a replay that somebody saved. A step is one batch, its frames are the rows of it.

    Args:
        spec: Of the task.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.env_failures = deque()

    def start(self) -> None:
        pass

    def step_async(self) -> None:
        pass

    def step_wait(self) -> None:
        return None

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


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

    def update(self, steps: StepBatch) -> None:
        """One step of all environments: push the next observation, or begin with the reset observation where an episode ended or failed."""
        for index, begins in enumerate(steps.ended | steps.failed):
            if begins:
                self.begin(index, steps.reset_observation[index])
            else:
                self.push(index, steps.observation[index])

    def stacked(self, device: torch.device) -> torch.Tensor:
        """``(n, stack * C, H, W)``, or ``(n, stack * D)``, on `device`; a copy."""
        count, stack, first, *rest = self.frames.shape if self.frames.ndim > 2 else (*self.frames.shape, 1)
        return torch.from_numpy(self.frames.reshape(count, stack * first, *rest).copy()).to(device)


class EnvCollector(ExperienceSource):
    """Steps the environments in lock-step with learning: they act and render while updates run, with a fixed lag of one step.

    Args:
        environments: That are trained in.
        agent: That acts.
        replay: That keeps the rows.
    """

    def __init__(self, environments: WorkerVectorEnv, agent: Agent, replay: Replay) -> None:
        self.environments, self.agent, self.replay = environments, agent, replay
        self.spec = environments.spec
        self.stack = FrameStack(environments.spec.observation, environments.count, agent.view.stack)
        self._stored: np.ndarray | None = None
        self._extra: dict[str, np.ndarray] = {}

    num_envs = property(lambda self: self.environments.count)
    exact = property(lambda self: self.environments.exact)
    restarts = property(lambda self: self.environments.restarts)
    failed_episodes = property(lambda self: self.environments.failed_episodes)
    env_failures = property(lambda self: self.environments.env_failures)

    def start(self) -> None:
        """Reset all environments and open an episode in the replay for each."""
        for env_id, observation in enumerate(self.environments.reset()):
            self.replay.begin(env_id, observation)
            self.stack.begin(env_id, observation)

    def step_async(self) -> None:
        """Send the agent's actions; returns at once."""
        action = self.agent.act(Batch(obs=self.stack.stacked(self.agent.device)), explore=True)
        if not isinstance(action, Action):
            raise TypeError(f"act must return a unified.Action(action, env_action), not {type(action).__name__}")
        self._stored = action.action.cpu().numpy()
        self._extra = {name: values.cpu().numpy() for name, values in action.extra.items() if name in self.replay.extra}
        self.environments.step_async(action.env_action.cpu().numpy())

    def step_wait(self) -> StepBatch:
        """Wait for the environments; the rows enter the replay."""
        assert self._stored is not None, "finish() without begin()"
        steps = self.environments.step_wait()
        self.replay.extend(self._stored, steps, self._extra)
        self.stack.update(steps)
        return steps

    def state_dict(self) -> dict[str, Any]:
        return {"environments": self.environments.state_dict(), "frames": self.stack.frames.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rebuild the unfinished episodes; where that is impossible the rows of the episode count as truncated, and the next one begins.

        Raises:
            UnifiedError: If another source saved the state.
        """
        if "environments" not in state:
            what = "the checkpoint was saved by another source of experience"
            raise UnifiedError(Problem(what, "resume it with the launcher that it was trained with: launcher=NAME"))
        self.environments.load_state_dict(state["environments"])
        self.stack.frames[:] = state["frames"]
        for env_id in np.flatnonzero(~self.environments.rebuilt):
            observation = self.environments.observations[env_id]
            self.replay.begin(int(env_id), observation)
            self.stack.begin(int(env_id), observation)

    def close(self) -> None:
        self.environments.close()
