"""Vectorised environments whose states are columns of one array, for tasks that array operations can step."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.base.rng import derive_many
from unified.core.base.spec import Spec
from unified.core.envs.step_batch import StepBatch, some
from unified.core.envs.suite import Environment, EnvironmentState, Suite
from unified.core.envs.vector_protocol import Steppable
from unified.core.envs.workers.inline import FLOAT32_MAX

#: Initial states that are computed at once, for all environments together: the random generators of many seeds cost little more than one.
_AHEAD = 2048


class ArrayVectorEnv(Steppable):
    """A `VectorEnv` (see there) that steps all environments with a few array operations.

    A subclass implements `initial_states`, `advance` and `observe`; this class resets, counts, truncates at the time limit and saves. The
    state of an environment is its whole checkpoint, so a resumed run repeats no actions. Single environments of the suite must have the
    same `Environment.state_dict`: ``{"state": (S,) float64, "elapsed": ()}`` with the steps since the reset. They draw the pictures, and
    a checkpoint of either implementation can be loaded into the other.

    Args:
        suite: Of the task; it builds the environment that draws pictures.
        spec: Of the task; its `episode_frames` is the time limit, a multiple of its `action_repeat`.
        num_envs: n.
        seed: Seed of the run.
        stream: Name of the random stream.
        states: Zeros ``(S, n)`` float64, the memory of the states; component k of all environments is ``states[k]``.
    """

    def __init__(self, suite: Suite, spec: Spec, num_envs: int, seed: int, stream: str, states: np.ndarray) -> None:
        if num_envs < 1:
            raise ValueError(f"a vector has at least 1 environment, not {num_envs}")
        if spec.episode_frames is not None and spec.episode_frames % spec.action_repeat:
            raise ValueError(f"a time limit of {spec.episode_frames} is no multiple of the action repeat {spec.action_repeat}")
        self.spec, self.num_envs, self.seed, self.stream, self.states = spec, num_envs, seed, stream, states
        self.restarts = self.failed_episodes = 0
        self.env_failures: deque[str] = deque(maxlen=100)
        self.exact, self.rebuilt = True, np.ones(num_envs, bool)
        self._suite = suite
        self._single: Environment | None = None
        self._actions: np.ndarray | None = None  # of the step under way
        self._return = np.zeros(num_envs)
        self._step = 0  # counts the steps of all environments
        self._began = np.zeros(num_envs, np.int64)  # the step before which each episode began
        self._limit = math.inf if spec.episode_frames is None else spec.episode_frames // spec.action_repeat
        self._next_limit = math.inf  # no episode reaches its time limit before this step
        # The states that episodes begin with, computed ahead: episode e of environment i with `_initial[i, e - _initial_from[i]]`.
        self._initial, self._initial_from, self._depth = np.zeros((num_envs, 0, len(states))), np.zeros(num_envs, np.int64), 2
        self._at = np.full(num_envs, -1, np.int64)  # the present episodes, counted from `_initial_from`
        self._started = np.ones(num_envs, bool)  # an episode that could not start has no state, and its next step fails
        self._was_reset = False
        self.observations = self.observe(states)
        # What most steps return: nothing ended, nothing failed. Shared by them, so it cannot be written.
        self._none = _read_only(np.zeros(num_envs, bool))
        self._no_return, self._no_length = _read_only(np.zeros(num_envs)), _read_only(np.zeros(num_envs, np.int64))
        self._no_observation = _read_only(np.zeros_like(self.observations))
        self._ones, self._float32_ones = _read_only(np.ones(num_envs)), _read_only(np.ones(num_envs, np.float32))

    # The task

    @abstractmethod
    def initial_states(self, seeds: np.ndarray) -> np.ndarray:
        """The states ``(S, k)`` after a reset with each of the seeds ``(k,)`` uint64."""

    @abstractmethod
    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Step all environments: change `states` in place.

        Args:
            actions: ``(n, *action)``, of the spec's type.

        Returns:
            Rewards ``(n,)`` float64, `_ones` where all of them are 1, and a new array ``(n,)`` bool that says where the task ended, or
            ``None`` where it ended nowhere.
        """

    @abstractmethod
    def observe(self, states: np.ndarray) -> np.ndarray:
        """A new array ``(k, *observation)`` of the spec's type from states ``(S, k)``."""

    # Episodes

    def reset(self, stream: str | None = None) -> np.ndarray:
        """Begin a new episode in every environment, see `VectorEnv.reset`."""
        self._idle("reset")
        if stream is not None:
            self.stream = stream
            self._count_from(np.full(self.num_envs, -1))
        self._was_reset = True
        self._next_limit = self._step + self._limit
        self.observations = self._begin(np.arange(self.num_envs))
        return self.observations

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Refused: array environments reset without options."""
        raise UsageError(Problem(f"{type(self).__name__} has no reset options", "train.env_backend=inline"))

    def limit_episodes(self, steps: int) -> None:
        """Truncate episodes after this many steps, if their time limit is not less."""
        self._limit = min(self._limit, steps)
        self._next_limit = self._began.min() + self._limit

    def step_async(self, actions: np.ndarray) -> None:
        """Set the actions ``(n, *action)`` of the next step; `step_wait` computes it."""
        self._actions = self._next_actions(actions, was_reset=self._was_reset)

    def step_wait(self) -> StepBatch:
        """Step all environments; those whose episode ends begin the next one."""
        actions, self._actions = self._actions, None
        if actions is None:
            raise RuntimeError("step_wait() without step_async()")
        reward, terminated = self.advance(actions)
        self._step += 1
        self._return += reward
        observation, truncated, failed = self.observe(self.states), self._none, self._none
        over = terminated is not None and some(terminated)
        if terminated is None:
            terminated = self._none
        if self._step >= self._next_limit:
            truncated = self._step - self._began >= self._limit
            over, self._next_limit = True, self._began.min() + self._limit
        if reward is self._ones:
            float32_reward = self._float32_ones
        else:
            if not reward.dot(reward) <= FLOAT32_MAX**2:  # float32 cannot hold one of them
                failed = ~(np.abs(reward) <= FLOAT32_MAX)
                terminated, truncated, over = terminated & ~failed, truncated & ~failed, True
                reward = np.where(failed, 0.0, reward)
            float32_reward = reward.astype(np.float32)
        steps = StepBatch(
            observation=observation,
            reward=float32_reward,
            terminated=terminated,
            truncated=truncated,
            failed=failed,
            reset_observation=self._no_observation,
            returns=self._no_return,
            lengths=self._no_length,
            life_lost=self._none,
            interrupted=self._none,
        )
        if over:
            self._end(steps)
        else:
            self.observations = observation
        return steps

    def _end(self, steps: StepBatch) -> None:
        """Begin the next episodes where episodes ended or failed."""
        over = steps.ended.nonzero()[0]
        steps.returns, steps.lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        steps.returns[over], steps.lengths[over] = self._return[over], self._step - self._began[over]
        if steps.failed is not self._none:
            failed = steps.failed.nonzero()[0]
            steps.observation[failed] = self.observations[failed]  # finite, and never stored
            begun = failed[self._started[failed]]
            self.failed_episodes += len(begun)
            self.env_failures.extend(
                f"environment {i}, episode {self._episode(i)} was discarded: the reward was not finite" for i in begun.tolist()
            )
            over = np.concatenate([over, failed])
        steps.reset_observation = np.zeros(steps.observation.shape, steps.observation.dtype)
        self.observations = steps.observation.copy()
        if len(over):
            steps.reset_observation[over] = self.observations[over] = self._begin(over)

    def _begin(self, index: np.ndarray) -> np.ndarray:
        """Begin the next episode of the environments `index`; returns their first observations."""
        self._at[index] += 1
        states = self._first_states(index)
        self.states[:, index] = states
        self._return[index] = 0.0
        self._began[index] = self._step
        return self.observe(states)

    def _first_states(self, index: np.ndarray) -> np.ndarray:
        """The states ``(S, k)`` in which the present episodes of the environments `index` begin."""
        try:
            states: np.ndarray = self._initial[index, self._at[index]]
        except IndexError:  # these episodes lie beyond those that were computed ahead
            self._look_ahead()
            states = self._initial[index, self._at[index]]
        return states.T

    def _look_ahead(self) -> None:
        """Compute the initial states of the present episode of each environment and of the next ones."""
        self._depth = min(2 * self._depth, max(_AHEAD // self.num_envs, 8))
        episode = self._initial_from + self._at
        self._initial_from = np.maximum(episode, 0)
        self._at = episode - self._initial_from
        episodes = [range(first, first + self._depth) for first in self._initial_from.tolist()]
        seeds = [derive_many(self.seed, self.stream, i, last=each, bits=31) for i, each in enumerate(episodes)]
        states = self.initial_states(np.concatenate(seeds)).T
        self._initial = np.ascontiguousarray(states).reshape(self.num_envs, self._depth, len(self.states))

    def _count_from(self, episodes: np.ndarray) -> None:
        """These ``(n,)`` are the present episodes, -1 before the first one. The initial states computed so far are of others."""
        self._initial_from, self._at = np.zeros(self.num_envs, np.int64), np.array(episodes, np.int64)
        self._initial, self._depth = self._initial[:, :0], 2

    def _episode(self, i: int) -> int:
        """The present episode of environment i."""
        return int(self._initial_from[i] + self._at[i])

    # State

    def state_dict(self) -> dict[str, Any]:
        """The unfinished episodes, in the form of `WorkerVectorEnv.state_dict`."""
        self._idle("state_dict")
        if not self._was_reset:
            raise RuntimeError("reset the environments before their state is taken")
        space = self.spec.action
        num_envs = [
            {
                "episode": self._episode(i),
                "length": int(self._step - self._began[i]),
                "return": float(self._return[i]),
                "state": self._state_of(i) if self._started[i] else None,
                "actions": np.zeros((0, *space.shape), space.dtype),
                "rebuildable": bool(self._started[i]),
                "observation": self.observations[i].copy(),
                "options": None,
            }
            for i in range(self.num_envs)
        ]
        counts = {"restarts": self.restarts, "failed_episodes": self.failed_episodes}
        return {"stream": self.stream, "lanes": num_envs, "next_options": [None] * self.num_envs, **counts}

    def _state_of(self, i: int) -> EnvironmentState:
        return {"state": self.states[:, i].copy(), "elapsed": np.array(self._step - self._began[i])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the unfinished episodes; one without a state is truncated, and the environment begins its next one."""
        self._idle("load_state_dict")
        if len(state["lanes"]) != self.num_envs:
            raise UnifiedError(f"the state is of {len(state['lanes'])} environments and there are {self.num_envs}")
        for env_id, options in enumerate(state["next_options"]):
            if options is not None:
                self.set_reset_options(env_id, options)
        self.stream, self.restarts, self.failed_episodes = state["stream"], state["restarts"], state["failed_episodes"]
        self._count_from(np.array([lane["episode"] for lane in state["lanes"]]))
        self._step, self._was_reset = 0, True
        self._started[:] = True
        for i, lane in enumerate(state["lanes"]):
            self._return[i], self._began[i] = lane["return"], -lane["length"]
            complete = lane["state"] is not None and not len(lane["actions"])
            self.states[:, i] = lane["state"]["state"] if complete else 0.0
            self.rebuilt[i] = complete
        self._next_limit = self._began.min() + self._limit
        stored = np.stack([lane["observation"] for lane in state["lanes"]])
        self.observations = self.observe(self.states)
        self.rebuilt &= (self.observations == stored).reshape(self.num_envs, -1).all(1)
        lost = np.flatnonzero(~self.rebuilt)
        for i in map(int, lost):
            what = f"environment {i}, episode {self._episode(i)} was truncated after {-self._began[i]:,} steps"
            self.env_failures.append(f"{what}, so this resume is not exact: its state does not give the observation that was stored")
        if len(lost):
            self.observations[lost] = self._begin(lost)
        self.exact = bool(self.rebuilt.all())

    # Pictures, and the end

    def render(self, i: int, height: int, width: int) -> np.ndarray:
        """The present state of environment i, drawn by a single environment, ``(height, width, 3)`` uint8.

        Raises:
            UnsupportedRender: If the task cannot be rendered.
        """
        self._idle("render")
        if self._single is None:
            self._single = self._suite.environment()
        self._single.load_state_dict(self._state_of(i))
        return self._single.render(height, width)

    def close(self) -> None:
        """Release everything. Closing twice does no harm."""
        self._closed = True
        if self._single is not None:
            self._single.close()
            self._single = None

    @property
    def _stepping(self) -> bool:
        return self._actions is not None


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
