"""Chooses the goals of training episodes among those that were achieved. Pitis, Chan, Zhao, Stadie & Ba 2020, MEGA and OMEGA."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.components.hookspecs import Callback
from unified.core.envs.chosen_goals import ACTUAL_GOAL, reached
from unified.core.replay.views import Transitions
from unified.core.trainer.evaluation import evaluation_mode
from unified.core.trainer.sources import FrameStack
from unified.plugins.callbacks.goals.choosers import CHOOSERS, Candidates, Cutoff, in_costs, lowest_cutoff, share_of_own
from unified.plugins.callbacks.goals.densities import Density, Kernels, SuccessPredictor, make_density

if TYPE_CHECKING:
    import torch

    from unified.core.envs.step_batch import StepBatch
    from unified.core.replay.store import Store
    from unified.core.runs.run import Run
    from unified.core.trainer.trainer import Trainer

#: Goals of the task by which OMEGA compares its goals with achieved ones.
COMPARED = 1000


class Goals(Callback):
    """Each training episode pursues a goal that some finished episode achieved, or the task's own.

    Candidates are drawn from the replay for each environment. Those whose value from the first observation is below a cut-off are out of
    reach and left out, unless all are: then the one of greatest value is pursued. Among the others the chooser decides. After each step at
    the goal the agent acts more at random until the episode ends (go and explore).

    Args:
        options: The options of `config.py`.
    """

    critical: ClassVar[bool] = True

    def __init__(self, options: Any) -> None:
        self.options = options
        self.density: Density = make_density(options.density, options.bandwidth)
        self.predictor = SuccessPredictor()
        self.fitted_at: int | None = None
        self.own_share = 0.0  # of OMEGA

    @property
    def uses_cutoff(self) -> bool:
        """Whether values leave candidates out; goals of intermediate difficulty are found without them."""
        return self.options.cutoff is not None and self.options.chooser != "goal_disc"

    # Hooks ----------------------------------------------------------------------------------------------------------------------

    def setup(self, run: Run, trainer: Trainer) -> None:
        agent: Any = trainer.agent
        if not isinstance(agent.view, Transitions):
            what = f"the callback goals needs an agent that learns from transitions of a replay, and {trainer.agent_name} does not"
            raise UsageError(Problem(what, "--agent sac   or leave it out: callbacks=[]"))
        self.agent, self.source, self.streams, self.spec = agent, trainer.source, trainer.streams, agent.spec
        self.store: Store = trainer.replay.store  # type: ignore[union-attr]
        self.suite: Any = trainer.source.environments.suite  # type: ignore[attr-defined]
        count, limit = trainer.source.num_envs, trainer.source.spec.episode_frames
        steps = math.inf if limit is None else limit / trainer.source.spec.action_repeat
        bound = lowest_cutoff(agent.view.discount, steps)
        self.cutoffs = [Cutoff(-math.inf if self.options.cutoff is None else self.options.cutoff, bound) for _ in range(count)]
        self.at_goal = np.zeros(count, np.int64)  # steps at the goal, in the present episodes
        self.first: np.ndarray | None = None  # what the present episodes achieved at their first observations, (n, *goal)

    def choose_goals(self, run: Run, trainer: Trainer, env_ids: np.ndarray, observation: np.ndarray) -> np.ndarray | None:
        if self.first is None:
            self.first = observation["achieved_goal"].copy()
        finished = Finished(self.store)
        if finished.count < self.options.candidates:
            return None
        self._fit(finished)
        generators = [self.streams["goals"].numpy() for _ in env_ids]
        proposed = np.stack([finished.draw(self.options.candidates, generator) for generator in generators])  # (m, K, *goal)
        own = observation["desired_goal"]
        value = self._values(observation, np.concatenate([proposed, own[:, None]], axis=1))
        rows = zip(env_ids, observation["achieved_goal"], own, proposed, value, generators, strict=True)
        return np.stack([self._chosen(*row) for row in rows])

    def on_experience(self, run: Run, trainer: Trainer, steps: StepBatch) -> None:
        achieved, desired = steps.observation["achieved_goal"], steps.observation["desired_goal"]
        success = reached(self.suite, achieved, desired) & ~steps.failed
        ids = steps.ids
        self.at_goal[ids] += success
        chosen = (desired != steps.extra[ACTUAL_GOAL]).reshape(len(ids), -1).any(axis=1)
        for row in np.flatnonzero(steps.over):
            self._end(int(ids[row]), bool(chosen[row]), bool(steps.failed[row]), desired[row], steps.reset_observation[row])
        if self.options.explore:
            self.source.set_random_shares(np.minimum(1.0, self.options.explore * self.at_goal))

    def checkpoint_save(self, run: Run, trainer: Trainer) -> dict[str, Any]:
        return {
            "cutoffs": [cutoff.state_dict() for cutoff in self.cutoffs],
            "at_goal": self.at_goal.copy(),
            "first": None if self.first is None else self.first.copy(),
            "density": self.density.state_dict(),
            "predictor": self.predictor.state_dict(),
            "fitted_at": self.fitted_at,
            "own_share": self.own_share,
        }

    def checkpoint_load(self, run: Run, trainer: Trainer, state: dict[str, Any]) -> None:
        for cutoff, saved in zip(self.cutoffs, state["cutoffs"], strict=True):
            cutoff.load_state_dict(saved)
        self.at_goal = np.array(state["at_goal"])
        self.first = None if state["first"] is None else np.array(state["first"])
        self.density.load_state_dict(state["density"])
        self.predictor.load_state_dict(state["predictor"])
        self.fitted_at, self.own_share = state["fitted_at"], state["own_share"]
        if self.options.explore:
            self.source.set_random_shares(np.minimum(1.0, self.options.explore * self.at_goal))

    # Episodes -------------------------------------------------------------------------------------------------------------------

    def _end(self, env_id: int, chosen: bool, failed: bool, goal: np.ndarray, next_observation: np.ndarray) -> None:
        """The episode of an environment ended."""
        assert self.first is not None
        succeeded = self.at_goal[env_id] > 0
        if not failed:
            if chosen:
                self.cutoffs[env_id].successes.append(float(succeeded))
            self.predictor.add(self.first[env_id], goal, bool(succeeded))
        self.at_goal[env_id] = 0
        self.first[env_id] = next_observation["achieved_goal"]

    def _chosen(
        self, env_id: int, place: np.ndarray, own: np.ndarray, goals: np.ndarray, value: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """The goal of an episode: one of `goals` ``(K, *goal)``, or the task's own, whose value is the last of `value` ``(K + 1,)``."""
        cutoff = self.cutoffs[env_id].adapt(value[:-1]) if self.uses_cutoff else -math.inf
        if self.options.chooser == "omega" and generator.random() < self.own_share and value[-1] >= cutoff:
            return own
        viable = value[:-1] >= cutoff
        if not viable.any():
            return np.asarray(goals[value[:-1].argmax()])
        flat = goals.reshape(len(goals), -1)
        candidates = Candidates(flat, viable, value[:-1], self.density.log_density, lambda rows: self.predictor(place, rows))
        return np.asarray(goals[CHOOSERS[self.options.chooser](candidates, generator, self.options)])

    def _values(self, observation: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Estimated returns ``(m, K)`` of goals ``(m, K, *goal)`` from first observations ``(m,)``, in costs of 1 per step."""
        shape = goals.shape[:2]
        if not self.uses_cutoff and self.options.chooser != "minq":
            return np.zeros(shape)
        rows = np.repeat(observation, shape[1])
        rows["desired_goal"] = goals.reshape(len(rows), *goals.shape[2:])
        stack = FrameStack(self.source.spec, len(rows), self.agent.view.stack)
        stack.frames[:] = rows[:, None]
        with evaluation_mode(self.agent):
            value: torch.Tensor = self.agent.expected_return(self.agent.receive(stack.batch()))
        costs = in_costs(value.double().cpu().numpy(), self.source.spec.reward_range, self.agent.view.discount)
        return costs.reshape(shape)

    def _fit(self, finished: Finished) -> None:
        """Fit density and predictor anew if they are old."""
        if self.fitted_at is not None and self.agent.steps - self.fitted_at < self.options.fit_every:
            return
        self.fitted_at = int(self.agent.steps)
        generator, draws = self.streams["goals"].torch(), self.streams["goals"].numpy()
        count = min(self.options.samples, finished.count)
        self.density.fit(_flat(finished.draw(count, draws)), generator)
        if self.options.chooser == "goal_disc":
            self.predictor.fit(generator)
        if self.options.chooser == "omega":
            own = _flat(finished.draw_of_steps(count, draws, ACTUAL_GOAL))
            kernels = Kernels(self.options.bandwidth)  # of the task's goals, in the coordinates of achieved ones
            kernels.mean, kernels.std = self.density.mean, self.density.std
            kernels.samples = self.density.standardised(own)
            some = own[:COMPARED]
            self.own_share = share_of_own(kernels.log_density(some), self.density.log_density(some), self.options.beta)


class Finished:
    """The slots of finished episodes in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._count = np.maximum(np.where(store.open, store.start, store.head) - store.tail, 0)
        self.count = int(self._count.sum())

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Achieved goals ``(count, *goal)`` at random slots."""
        values: np.ndarray = self.store.data["obs.achieved_goal"][self._slots(count, generator)]
        return values

    def draw_of_steps(self, count: int, generator: np.random.Generator, column: str) -> np.ndarray:
        """Values of a column of steps ``(m, …)`` at random slots, at most `count`: the last slot of an episode holds no step."""
        index = self._slots(count, generator)
        values: np.ndarray = self.store.data[column][index[~self.store.data["last"][index]]]
        return values

    def _slots(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Indices of random slots."""
        ends = np.cumsum(self._count)
        number = generator.integers(0, ends[-1], count)
        env_id = np.searchsorted(ends, number, side="right")
        slot = number - (ends - self._count)[env_id] + self.store.tail[env_id]
        return self.store.index(env_id, slot)


def _flat(goals: np.ndarray) -> np.ndarray:
    return goals.reshape(len(goals), -1).astype(np.float64)
