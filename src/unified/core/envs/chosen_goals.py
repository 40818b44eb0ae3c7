"""Environments whose goals somebody chooses at each reset: the rows are those of the goal that is pursued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.envs.step_batch import StepBatch
    from unified.core.envs.suite import Suite
    from unified.core.envs.vector_protocol import VectorEnv

#: Chooses the goals ``(m, *goal)`` of the episodes that begin in environments ``(m,)`` with observations ``(m,)``; ``None``: the task's.
ChooseGoals: TypeAlias = "Callable[[np.ndarray, np.ndarray], np.ndarray | None]"

#: The column of the task's own goal, of runs whose goals are chosen.
ACTUAL_GOAL = "actual_goal"


def with_actual_goal(spec: Spec, suite: Suite) -> Spec:
    """The spec of a task whose goals are chosen: its rows have the column ``actual_goal``, the task's own goal.

    Raises:
        UsageError: If the task has no goals, or its suite cannot compute the rewards of others.
    """
    from unified.core.envs.suite import Suite

    spaces: Mapping[str, Space] = {} if isinstance(spec.observation, Space) else spec.observation
    if not {"achieved_goal", "desired_goal"} <= spaces.keys():
        what = f"goals can be chosen for observations named achieved_goal and desired_goal; the task has {', '.join(spaces) or 'one'}"
        raise UsageError(Problem(what, "a task with goals: --suite goals:point_reach"))
    if type(suite).compute_reward is Suite.compute_reward:
        raise UsageError(Problem(f"choosing goals needs {type(suite).__name__}.compute_reward(achieved, desired)"))
    return replace(spec, columns={**spec.columns, ACTUAL_GOAL: spaces["desired_goal"]})


def reached(suite: Suite, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Whether goals are reached, ``(m,)`` bool: their reward is not less than exactly at the goal."""
    found: np.ndarray = np.asarray(suite.compute_reward(achieved, desired)) >= np.asarray(suite.compute_reward(desired, desired))
    return found


class ChosenGoals:
    """A `VectorEnv` around another one: it shows, rewards and terminates the episodes of the goals that are chosen at their beginning.

    The environments know nothing of it. `desired_goal` is the goal that is pursued, from the first observation of an episode to its last;
    the column ``actual_goal`` holds the task's own. Rewards, `success` (where the task has that column) and returns are those of the
    pursued goal by `Suite.compute_reward`, and ends by `Suite.compute_terminated`:

    | what happens | the row |
    |---|---|
    | the pursued goal is terminal, and the environment goes on | `life_lost`: it ends the return, and the episode goes on |
    | the environment ends because its own goal is reached | truncated |
    | the environment ends for another reason | as it was |

    An episode that keeps the task's own goal is left as it is.

    Args:
        environments: Of a task with goals.
        suite: Of the task, in this process.
        choose: Called with the environments in which an episode begins, and its first observations.
    """

    def __init__(self, environments: VectorEnv, suite: Suite, choose: ChooseGoals) -> None:
        self.environments, self.suite, self.choose = environments, suite, choose
        self.spec = with_actual_goal(environments.spec, suite)
        goal = self.spec.columns[ACTUAL_GOAL]
        #: The task's own goals and the pursued ones, ``(n, *goal)``, and where they differ, ``(n,)``.
        self.own, self.goals = (np.zeros((environments.num_envs, *goal.shape), goal.dtype) for _ in range(2))
        self.chosen = np.zeros(environments.num_envs, bool)
        self._returns = np.zeros(environments.num_envs)

    def __getattr__(self, name: str) -> Any:
        """Everything else is as in the environments."""
        return getattr(self.environments, name)

    @property
    def observations(self) -> np.ndarray:
        """The current observations ``(n,)``."""
        return self._shown(self.environments.observations)

    def reset(self, stream: str | None = None) -> np.ndarray:
        """Begin a new episode everywhere, see `VectorEnv.reset`."""
        return self._begin(np.arange(self.environments.num_envs), self.environments.reset(stream))

    def step_wait(self) -> StepBatch:
        """See `VectorEnv.step_wait`."""
        raw = self.environments.step_wait()
        steps = replace(raw, extra={**raw.extra, ACTUAL_GOAL: self.own.copy()})
        if (rows := np.flatnonzero(self.chosen & ~steps.failed)).size:
            self._pursue(steps, rows)
        seen = np.flatnonzero(~steps.failed)
        self.own[seen] = raw.observation["desired_goal"][seen]  # a task may set a new one within an episode
        if (fresh := np.flatnonzero(steps.over)).size:
            steps.reset_observation = raw.reset_observation.copy()
            steps.reset_observation[fresh] = self._begin(fresh, raw.reset_observation[fresh])
        return steps

    def _pursue(self, steps: StepBatch, rows: np.ndarray) -> None:
        """Write observations, rewards and ends of the pursued goals into these rows."""
        ended = steps.ended
        steps.observation = steps.observation.copy()
        achieved, goals = steps.observation["achieved_goal"][rows], self.goals[rows]
        steps.observation["desired_goal"][rows] = goals
        steps.reward, steps.returns = steps.reward.copy(), steps.returns.copy()
        steps.reward[rows] = self.suite.compute_reward(achieved, goals)
        self._returns[rows] += steps.reward[rows]
        steps.returns[rows] = np.where(ended[rows], self._returns[rows], 0.0)
        at_goal = np.asarray(self.suite.compute_terminated(achieved, goals), bool)
        at_own = np.asarray(self.suite.compute_terminated(achieved, self.own[rows]), bool)
        otherwise = steps.terminated[rows] & ~at_own
        steps.terminated, steps.truncated = steps.terminated.copy(), steps.truncated.copy()
        steps.terminated[rows] = ended[rows] & (otherwise | at_goal)
        steps.truncated[rows] = ended[rows] & ~steps.terminated[rows]
        steps.life_lost = np.array(np.broadcast_to(steps.life_lost, ended.shape))
        steps.life_lost[rows] |= at_goal & ~ended[rows]
        if "success" in steps.extra:
            steps.extra["success"] = steps.extra["success"].copy()
            steps.extra["success"][rows] = reached(self.suite, achieved, goals)

    def _begin(self, index: np.ndarray, observation: np.ndarray) -> np.ndarray:
        """Choose the goals of the episodes that begin in the environments `index`; returns their first observations with these goals."""
        self.own[index] = self.goals[index] = observation["desired_goal"]
        self.chosen[index], self._returns[index] = False, 0.0
        goals = self.choose(index, observation)
        if goals is not None:
            goals = np.asarray(goals)
            if goals.shape != self.goals[index].shape:
                raise ValueError(f"the goals that were chosen have the shape {goals.shape} where {self.goals[index].shape} is needed")
            self.goals[index] = goals
            other = self.goals[index] != self.own[index]
            self.chosen[index] = other.reshape(len(index), -1).any(axis=1)
        shown = observation.copy()
        shown["desired_goal"] = self.goals[index]
        return shown

    def _shown(self, observation: np.ndarray) -> np.ndarray:
        shown = observation.copy()
        shown["desired_goal"][self.chosen] = self.goals[self.chosen]
        return shown

    def state_dict(self) -> dict[str, Any]:
        """The unfinished episodes and their goals."""
        pursued = {"own": self.own, "goals": self.goals, "chosen": self.chosen, "returns": self._returns}
        return {**self.environments.state_dict(), "pursued": {name: values.copy() for name, values in pursued.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `VectorEnv.load_state_dict`; an episode that begins because the saved one could not be restored has the task's own goal."""
        self.environments.load_state_dict(state)
        pursued = {name: np.array(values) for name, values in state["pursued"].items()}
        self.own, self.goals, self.chosen, self._returns = (pursued[name] for name in ("own", "goals", "chosen", "returns"))
        lost = np.flatnonzero(~self.environments.rebuilt)
        self.own[lost] = self.goals[lost] = self.environments.observations["desired_goal"][lost]
        self.chosen[lost], self._returns[lost] = False, 0.0
