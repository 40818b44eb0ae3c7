"""Hindsight experience replay. Andrychowicz, Wolski, Ray et al. 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge

from unified import Problem, Suite, UsageError
from unified.replay import Transitions, Uniform, windows

if TYPE_CHECKING:
    from unified.replay import Array, Batch, Store, View


class Hindsight(Uniform):
    """Uniform transitions, of which k of k + 1 get the goal that their episode achieved at another step, with its rewards.

    | strategy | the goal is what the episode achieved |
    |---|---|
    | `future` | after this step, or a later one, each with the same probability |
    | `final` | after its last step |
    | `episode` | after any of its steps |

    The rewards of a relabelled row, all n of an n-step return, are `Suite.compute_reward` of the goals achieved after its steps. The row
    ends, with discount 0, at the first step whose state is terminal for the new goal (`Suite.compute_terminated`) or for another reason
    than the old goal. Goals never come from another episode; an unfinished episode offers those that it achieved so far. Other columns
    (``success``) stay as they were stored. Source: Andrychowicz et al. 2017, sections 3.4 and 4.5, https://arxiv.org/abs/1707.01495.

    Args:
        strategy: Which achieved goals are drawn: future, final or episode.
        k: Relabelled rows for each row with its own goal.
    """

    def __init__(self, strategy: Literal["future", "final", "episode"] = "future", k: Annotated[float, Ge(0)] = 4.0) -> None:
        self.strategy, self.share = strategy, k / (1 + k)

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:
        if not isinstance(view, Transitions):
            raise UsageError(Problem("replay.sampler=hindsight needs an off-policy agent that learns from transitions", "--agent sac"))
        if not {"obs.achieved_goal", "obs.desired_goal"} <= store.columns.keys():
            has = ", ".join(name.removeprefix("obs.") for name in store.observations)
            needs = "observations named achieved_goal and desired_goal"
            raise UsageError(Problem(f"replay.sampler=hindsight needs {needs}; the task has {has}", "replay.sampler=uniform"))
        if suite is None or type(suite).compute_reward is Suite.compute_reward:
            raise UsageError(Problem(f"replay.sampler=hindsight needs {type(suite).__name__}.compute_reward(achieved, desired)"))
        self.suite: Any = suite

    def relabel(self, batch: Batch, store: Store, view: View, generator: np.random.Generator) -> Batch:
        rows = np.flatnonzero(generator.random(batch.size) < self.share)
        if len(rows):
            index = batch.index.numpy()[rows]
            goal = store.data["obs.achieved_goal"][self._chosen(store, index, generator)]
            reward, discount = self._returns(store, view, index, goal)
            batch["reward"][rows], batch["discount"][rows] = torch.from_numpy(reward), torch.from_numpy(discount)
            stacked = torch.from_numpy(np.concatenate([goal] * view.stack, axis=1))
            for name in ("obs.desired_goal", "next_obs.desired_goal", "future_obs.desired_goal"):
                if name in batch:
                    batch[name][rows] = stacked if not name.startswith("future") else stacked[:, None]
        return batch

    def _chosen(self, store: Store, index: Array, generator: np.random.Generator) -> Array:
        """Indices of the slots whose achieved goals become the goals of the rows that begin at `index`."""
        first, last = store.episodes(index)
        if self.strategy == "final":
            chosen = last
        else:  # what a step achieves is in the slot after it
            start = store.slot(index) if self.strategy == "future" else first
            chosen = generator.integers(start + 1, last + 1)
        return store.index(index // store.length, chosen)

    def _returns(self, store: Store, view: Any, index: Array, goal: Array) -> tuple[Array, Array]:
        """n-step reward and discount ``(B,)`` of rows with these goals ``(B, *goal)``."""
        data = store.data
        at, inside = windows(view, store, index)
        achieved = data["obs.achieved_goal"][at[1:]].reshape(-1, *goal.shape[1:])  # of all steps, n * B rows

        def of_steps(function: Any, desired: Array) -> Array:
            return np.asarray(function(achieved, np.concatenate([desired] * view.n_step))).reshape(view.n_step, -1)

        reward = of_steps(self.suite.compute_reward, goal).astype(np.float32)
        terminal = of_steps(self.suite.compute_terminated, goal).astype(bool)
        old = of_steps(self.suite.compute_terminated, data["obs.desired_goal"][index]).astype(bool)
        terminal |= data["terminated"][at[:-1]] & ~old
        inside[1:] &= np.logical_and.accumulate(~terminal[:-1], axis=0)
        powers = (view.discount ** np.arange(view.n_step + 1)).astype(np.float32)
        steps = inside.sum(axis=0)
        ended = terminal[steps - 1, np.arange(len(index))]
        return (powers[:-1, None] * reward * inside).sum(axis=0), np.where(ended, np.float32(0), powers[steps])
