"""Where experience comes from: environments that the agent acts in, or rows that are there already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.envs.chosen_goals import ChosenGoals
from unified.core.learn.actions import Action
from unified.core.learn.memory import State, reset_rows, state_columns
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.envs.chosen_goals import ChooseGoals
    from unified.core.envs.step_batch import StepBatch
    from unified.core.envs.suite import Suite
    from unified.core.envs.vector_protocol import VectorEnv
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

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Set the reset options of the next episode of an environment, in `on_experience` for example.

        Args:
            env_id: Number of the environment, as in `StepBatch.env_ids`.
            options: Plain JSON data; ``None`` removes the options that were set before.

        Raises:
            UsageError: If the source does not support reset options; the default.
        """
        raise UsageError(f"{type(self).__name__} does not support reset options")

    def choose_goals(self, suite: Suite, choose: ChooseGoals) -> None:
        """Pursue the goals that `choose` returns where episodes begin. Called before `start` and `load_state_dict`.

        Raises:
            UsageError: If the source does not support it; the default.
        """
        what = "goals are chosen in environments of one task that are stepped in lock-step with learning"
        raise UsageError(Problem(what, "one --suite with launcher=local, or leave out the callback that chooses goals"))

    def set_random_shares(self, shares: np.ndarray | None) -> None:
        """Replace the agent's action by a uniformly random one with these probabilities ``(n,)`` from now on; ``None``: never.

        Raises:
            UsageError: If the source does not support it; the default.
        """
        raise UsageError(f"{type(self).__name__} does not support random shares")

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
        spec: Of the task.
        count: n.
        stack: Observations in a stack; the first of an episode stands for those before it.

    Attributes:
        frames: ``(n, stack, *observation)``, or ``(n, stack)`` records of named observations.
    """

    def __init__(self, spec: Spec, count: int, stack: int) -> None:
        self.frames = np.stack([spec.zeros(count)] * stack, axis=1)

    def begin(self, index: int, observation: np.ndarray) -> None:
        """A new episode of environment `index`."""
        self.frames[index] = observation

    def push(self, index: int, observation: np.ndarray) -> None:
        """The next observation of the same episode."""
        self.frames[index, :-1] = self.frames[index, 1:]
        self.frames[index, -1] = observation

    def update(self, steps: StepBatch) -> None:
        """One step of all environments: push the next observation, or begin with the reset observation where an episode ended or failed."""
        if self.frames.shape[1] > 1:
            self.frames[:, :-1] = self.frames[:, 1:]
        self.frames[:, -1] = steps.observation
        if steps.any_over:
            self.frames[steps.over] = steps.reset_observation[steps.over][:, None]

    def batch(self) -> Batch:
        """The stacks as `obs`, ``(n, stack * C, H, W)`` or ``(n, stack * D)``, or as `obs.NAME` of named observations; a copy."""
        names = self.frames.dtype.names
        columns = {"obs": self.frames} if names is None else {f"obs.{name}": self.frames[name] for name in names}
        return Batch({name: torch.from_numpy(_stacked(frames)) for name, frames in columns.items()})

    def state_dict(self) -> dict[str, np.ndarray]:
        """The frames as plain arrays."""
        names = self.frames.dtype.names
        return {"obs": self.frames.copy()} if names is None else {name: self.frames[name].copy() for name in names}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        for name, frames in state.items():
            (self.frames if self.frames.dtype.names is None else self.frames[name])[:] = frames


def _stacked(frames: np.ndarray) -> np.ndarray:
    """``(n, stack, C, …)`` as ``(n, stack * C, …)``; a copy."""
    count, stack, first, *rest = frames.shape if frames.ndim > 2 else (*frames.shape, 1)
    return frames.reshape(count, stack * first, *rest).copy()


class PolicyInput:
    """The batch that an agent acts on in n environments: stacked frames and, where the agent has one, the state of its policy.

    Args:
        agent: That acts.
        spec: Of the task.
        count: n.
    """

    def __init__(self, agent: Agent, spec: Spec, count: int) -> None:
        self.agent, self.count = agent, count
        self.stack = FrameStack(spec, count, agent.view.stack)
        self.is_first = np.ones(count, bool)
        self.reward = np.zeros(count, np.float32)  # of the step before, within the same episode
        self.state: State = agent.initial_state(count)

    def begin(self, index: int, observation: np.ndarray) -> None:
        """A new episode of environment `index`."""
        self.stack.begin(index, observation)
        self.is_first[index], self.reward[index] = True, 0.0

    def push(self, index: int, observation: np.ndarray, reward: float = 0.0) -> None:
        """The next observation of the same episode, and the reward of the step that led there."""
        self.stack.push(index, observation)
        self.is_first[index], self.reward[index] = False, reward

    def update(self, steps: StepBatch) -> None:
        """One step of all environments: the next observation, or the first one of the next episode where an episode ended or failed."""
        self.stack.update(steps)
        self.is_first[:] = steps.over
        self.reward[:] = np.where(steps.over, 0.0, steps.reward)

    def batch(self) -> Batch:
        """The n rows: `obs`; for an agent with a state also `is_first`, `reward` ``(n,)`` and ``state.NAME``."""
        obs = self.agent.receive(self.stack.batch())
        if not self.state:
            return obs
        is_first = torch.from_numpy(self.is_first.copy()).to(self.agent.device)
        if self.is_first.any():
            self.state = reset_rows(self.state, is_first, self.agent.initial_state(self.count))
        reward = torch.from_numpy(self.reward.copy()).to(self.agent.device)
        return Batch({**obs, "is_first": is_first, "reward": reward, **state_columns(self.state)})

    def act(self, *, explore: bool) -> Action:
        """The agent's actions; the state that comes with them is the one of the next step.

        Raises:
            TypeError: If the agent returns no `Action`, or a state with other names than its initial state.
        """
        action = self.agent.act(self.batch(), explore=explore)
        if not isinstance(action, Action):
            raise TypeError(f"act must return a unified.Action(action, env_action), not {type(action).__name__}")
        if action.state.keys() != self.state.keys():
            wanted, found = (", ".join(state) or "none" for state in (self.state, action.state))
            raise TypeError(f"act must return the next state, with the names of initial_state: {wanted}; it returned {found}")
        self.state = {name: rows.detach() for name, rows in action.state.items()}
        self.is_first[:] = False
        return action

    def state_dict(self) -> dict[str, Any]:
        return {
            "frames": self.stack.state_dict(),
            "is_first": self.is_first.copy(),
            "reward": self.reward.copy(),
            "state": {name: rows.clone() for name, rows in self.state.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stack.load_state_dict(state["frames"])
        self.is_first[:] = state["is_first"]
        self.reward[:] = state.get("reward", 0.0)  # a checkpoint of before there was one
        self.state = {name: rows.to(self.agent.device) for name, rows in state["state"].items()}


class EnvCollector(ExperienceSource):
    """Steps the environments in lock-step with learning: they act and render while updates run, with a fixed lag of one step.

    Args:
        environments: That are trained in.
        agent: That acts.
        replay: That keeps the rows.
    """

    def __init__(self, environments: VectorEnv, agent: Agent, replay: Replay) -> None:
        self.environments, self.agent, self.replay = environments, agent, replay
        self.spec = environments.spec
        self.inputs = PolicyInput(agent, environments.spec, environments.num_envs)
        self._stored: np.ndarray | None = None
        self._extra: dict[str, np.ndarray] = {}
        self._shares: np.ndarray | None = None

    num_envs = property(lambda self: self.environments.num_envs)
    exact = property(lambda self: self.environments.exact)
    restarts = property(lambda self: self.environments.restarts)
    failed_episodes = property(lambda self: self.environments.failed_episodes)
    env_failures = property(lambda self: self.environments.env_failures)

    def start(self) -> None:
        """Reset all environments and open an episode in the replay for each."""
        for env_id, observation in enumerate(self.environments.reset()):
            self.replay.begin(env_id, observation)
            self.inputs.begin(env_id, observation)

    def step_async(self) -> None:
        """Send the agent's actions; returns at once."""
        action = self.inputs.act(explore=True)
        if self._shares is not None and self._shares.any():
            action = self._mixed(action, self._shares)
        self._stored = action.action.cpu().numpy()
        self._extra = {name: values.cpu().numpy() for name, values in action.extra.items() if name in self.replay.extra}
        self.environments.step_async(action.env_action.cpu().numpy())

    def step_wait(self) -> StepBatch:
        """Wait for the environments; the rows enter the replay."""
        assert self._stored is not None, "step_wait() without step_async()"
        steps = self.environments.step_wait()
        self.replay.extend(self._stored, steps, self._extra)
        self.inputs.update(steps)
        return steps

    def _mixed(self, action: Action, shares: np.ndarray) -> Action:
        """Uniformly random actions in the place of some, with these probabilities ``(n,)``."""
        drawn, coins = self.agent.random_action(self.inputs.batch()), self.agent.generator("random_share")
        random = torch.rand(len(shares), generator=coins, device=self.agent.device) < torch.from_numpy(shares).to(self.agent.device)

        def chosen(other: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
            return torch.where(random.view(-1, *[1] * (own.dim() - 1)), other, own)

        return replace(action, action=chosen(drawn.action, action.action), env_action=chosen(drawn.env_action, action.env_action))

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        self.environments.set_reset_options(env_id, options)

    def choose_goals(self, suite: Suite, choose: ChooseGoals) -> None:
        chosen: Any = ChosenGoals(self.environments, suite, choose)
        self.environments, self.spec = chosen, chosen.spec

    def set_random_shares(self, shares: np.ndarray | None) -> None:
        self._shares = None if shares is None else np.array(shares)

    def state_dict(self) -> dict[str, Any]:
        return {"environments": self.environments.state_dict(), "inputs": self.inputs.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rebuild the unfinished episodes; where that is impossible the rows of the episode count as truncated, and the next one begins.

        Raises:
            UnifiedError: If another source saved the state.
        """
        if "environments" not in state:
            what = "the checkpoint was saved by another source of experience"
            raise UnifiedError(Problem(what, "resume it with the launcher that it was trained with: launcher=NAME"))
        self.environments.load_state_dict(state["environments"])
        self.inputs.load_state_dict(state["inputs"])
        for env_id in np.flatnonzero(~self.environments.rebuilt):
            observation = self.environments.observations[env_id]
            self.replay.begin(int(env_id), observation)
            self.inputs.begin(int(env_id), observation)

    def close(self) -> None:
        self.environments.close()
