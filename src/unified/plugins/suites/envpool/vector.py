"""All environments of a run in one pool of EnvPool."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UnifiedError, UsageError
from unified.core.base.rng import derive
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.vector_protocol import Steppable
from unified.plugins.suites.envpool.pool import Pool
from unified.plugins.suites.pictures import resize


class EnvPoolVectorEnv(Steppable):
    """A `VectorEnv` (see there) of one pool, but for three things: an episode is no function of a seed of its own, there are no reset
    options, and a state cannot be saved.

    The environments are seeded where a pool is made: for each `reset` to another stream (each evaluation is one), and after
    `load_state_dict`. They then reset by random numbers of their own. EnvPool by itself resets in the step after the end; here the
    environments whose episodes end are reset within the step, and the step returns both observations.

    Args:
        task: Id of the task.
        options: Of the suite.
        num_envs: n.
        seed: Seed of the run.
        stream: Name of the random stream.
    """

    def __init__(self, task: str, options: Any, num_envs: int, seed: int, stream: str) -> None:
        if num_envs < 1:
            raise ValueError(f"a vector has at least 1 environment, not {num_envs}")
        self.num_envs, self.seed, self.stream = num_envs, seed, stream
        self.restarts = self.failed_episodes = 0
        self.env_failures: deque[str] = deque(maxlen=100)
        self.exact, self.rebuilt = True, np.ones(num_envs, bool)
        self._task, self._options = task, options
        self._episode = np.full(num_envs, -1)
        self._length, self._return = np.zeros(num_envs, np.int64), np.zeros(num_envs)
        self._sent = False
        self._pool, self._is_new = self._new_pool(), True
        self.spec = self._pool.spec
        self._limit = math.inf if self.spec.episode_frames is None else self.spec.episode_frames
        self.observations = self.spec.zeros(num_envs)

    def _new_pool(self) -> Pool:
        """A pool with a seed for the next episode of each environment."""
        seeds = [derive(self.seed, self.stream, i, int(episode) + 1, bits=31) for i, episode in enumerate(self._episode)]
        return Pool(self._task, self._options, seeds)

    def reset(self, stream: str | None = None) -> np.ndarray:
        """Begin a new episode in every environment, in a new pool, see `VectorEnv.reset`."""
        self._idle("reset")
        if stream is not None:
            self._is_new &= stream == self.stream
            self.stream, self._episode = stream, np.full(self.num_envs, -1)
        return self._begin_anew()

    def _begin_anew(self) -> np.ndarray:
        if not self._is_new:
            self._pool.close()
            self._pool = self._new_pool()
        self._is_new = False
        self._episode += 1
        self._length[:], self._return[:] = 0, 0.0
        self.observations = self._pool.first()
        return self.observations

    def set_reset_options(self, env_id: int, options: Mapping[str, Any] | None) -> None:
        """Refused: EnvPool's environments reset without options."""
        if options is not None:
            raise UsageError(Problem("EnvPool's environments have no reset options", "a suite that has: gym"))

    def limit_episodes(self, steps: int) -> None:
        """Truncate episodes after this many steps, if their time limit is not less."""
        self._limit = min(self._limit, steps)

    def step_async(self, actions: np.ndarray) -> None:
        """Send the actions ``(n, *action)``; the threads of the pool are at work until `step_wait`."""
        self._pool.send(self._next_actions(actions, was_reset=bool(self._episode[0] >= 0)))
        self._sent = True

    def step_wait(self) -> StepBatch:
        """Wait for the step that `step_async` began; environments whose episodes end begin the next ones."""
        if not self._sent:
            raise RuntimeError("step_wait() without step_async()")
        self._sent = False
        found, n = self._pool.receive(), self.num_envs
        reward = found.reward.astype(np.float32)
        failed = ~(np.isfinite(reward) & np.isfinite(found.raw_reward) & self._finite(found.observation))
        self._length += 1
        self._return += found.raw_reward
        steps = StepBatch(
            observation=found.observation,
            reward=np.where(failed, np.float32(0.0), reward),
            terminated=found.terminated & ~failed,
            truncated=(self._length >= self._limit) & ~found.terminated & ~failed,
            failed=failed,
            reset_observation=self.spec.zeros(n),
            returns=np.zeros(n),
            lengths=np.zeros(n, np.int64),
            life_lost=np.zeros(n, bool),
            interrupted=np.zeros(n, bool),
            extra=dict.fromkeys(self.spec.columns, found.success),
        )
        over, ended, before = np.flatnonzero(steps.over), steps.ended, self.observations
        self.observations = steps.observation
        if len(over):
            steps.returns[ended], steps.lengths[ended] = self._return[ended], self._length[ended]
            steps.observation[failed] = before[failed]  # finite, and never stored
            for i in np.flatnonzero(failed).tolist():
                self.failed_episodes += 1
                self.env_failures.append(f"environment {i}, episode {self._episode[i]} was discarded: a number was not finite")
            self.observations = steps.observation.copy()
            steps.reset_observation[over] = self.observations[over] = self._pool.reset(over)
            self._episode[over] += 1
            self._length[over], self._return[over] = 0, 0.0
        return steps

    def _finite(self, observations: np.ndarray) -> np.ndarray:
        """Which observations ``(n, *observation)`` are finite, ``(n,)`` bool."""
        names = observations.dtype.names
        parts = [observations] if names is None else [observations[name] for name in names]
        floats = [part.reshape(len(part), -1) for part in parts if part.dtype.kind == "f"]
        finite: np.ndarray = np.logical_and.reduce([np.ones(len(observations), bool), *(np.isfinite(part).all(1) for part in floats)])
        return finite

    # State

    def state_dict(self) -> dict[str, Any]:
        """The unfinished episodes without their states, in the form of `WorkerVectorEnv.state_dict`."""
        self._idle("state_dict")
        if self._episode[0] < 0:
            raise RuntimeError("reset the environments before their state is taken")
        space = self.spec.action
        lanes = [
            {
                "episode": int(self._episode[i]),
                "length": int(self._length[i]),
                "return": float(self._return[i]),
                "state": None,
                "actions": np.zeros((0, *space.shape), space.dtype),
                "rebuildable": False,
                "observation": self._saved(self.observations[i]),
                "options": None,
            }
            for i in range(self.num_envs)
        ]
        counts = {"restarts": self.restarts, "failed_episodes": self.failed_episodes}
        return {"stream": self.stream, "lanes": lanes, "next_options": [None] * self.num_envs, **counts}

    def _saved(self, observation: np.ndarray) -> np.ndarray:
        return observation.copy() if observation.dtype.names is None else np.frombuffer(observation.tobytes(), np.uint8)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Truncate the unfinished episodes of `state` and begin the next ones, in a pool with other seeds than the one before."""
        self._idle("load_state_dict")
        if len(state["lanes"]) != self.num_envs:
            raise UnifiedError(f"the state is of {len(state['lanes'])} environments and there are {self.num_envs}")
        self.stream, self.restarts, self.failed_episodes = state["stream"], state["restarts"], state["failed_episodes"]
        self._episode, self._is_new = np.array([lane["episode"] for lane in state["lanes"]]), False
        for i, lane in enumerate(state["lanes"]):
            what = f"environment {i}, episode {lane['episode']} was truncated after {lane['length']:,} steps"
            self.env_failures.append(f"{what}, so this resume is not exact: EnvPool cannot restore an environment")
        self.exact, self.rebuilt = False, np.zeros(self.num_envs, bool)
        self._begin_anew()

    # Pictures, and the end

    def render(self, i: int, height: int, width: int) -> np.ndarray:
        """The present state of environment i, ``(height, width, 3)`` uint8.

        Raises:
            UnsupportedRender: If the task cannot be rendered.
        """
        self._idle("render")
        return resize(self._pool.render(i), height, width)

    def close(self) -> None:
        """Release everything. Closing twice does no harm."""
        self._closed = True
        self._pool.close()

    @property
    def _stepping(self) -> bool:
        return self._sent
