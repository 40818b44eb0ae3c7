"""Hindsight experience replay, the strategy `future`. Source: Andrychowicz et al. 2017, section 3.4, https://arxiv.org/abs/1707.01495."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from unified import Problem, Suite, UsageError
from unified.replay import Batch, Store, Transitions, Uniform, View


class Her(Uniform):
    """Uniform one-step transitions; k of k + 1 get a goal that their episode achieved at a later step, and the reward for that goal.

    Args:
        k: Relabelled rows for each row with its own goal.
    """

    def __init__(self, k: Annotated[float, Ge(0)] = 4.0) -> None:
        self.share = k / (1 + k)

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:
        if not isinstance(view, Transitions) or (view.n_step, view.stack) != (1, 1) or "obs.achieved_goal" not in store.columns:
            raise UsageError(Problem("replay.sampler=her needs single steps of a task with goals", "agent.n_step=1 agent.stack=1"))
        self.suite: Any = suite

    def relabel(self, batch: Batch, store: Store, view: Any, generator: np.random.Generator) -> Batch:
        rows = np.flatnonzero(generator.random(batch.size) < self.share)
        index = batch.index.numpy()[rows]
        later = generator.integers(store.slot(index) + 1, store.episodes(index)[1] + 1)  # a step achieves what the next slot holds
        goal = store.data["obs.achieved_goal"][store.index(index // store.length, later)]
        achieved, old = batch["next_obs.achieved_goal"][rows].numpy(), batch["obs.desired_goal"][rows].numpy()
        terminated = store.data["terminated"][index] & ~self.suite.compute_terminated(achieved, old)  # for another reason than the goal
        terminated |= self.suite.compute_terminated(achieved, goal)
        batch["obs.desired_goal"][rows] = batch["next_obs.desired_goal"][rows] = torch.from_numpy(goal)
        batch["reward"][rows] = torch.from_numpy(self.suite.compute_reward(achieved, goal).astype(np.float32))
        batch["discount"][rows] = torch.from_numpy((view.discount * ~terminated).astype(np.float32))
        return batch
