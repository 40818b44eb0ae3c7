"""Temporal-difference learning of a critic."""

from __future__ import annotations

from typing import Any

import torch

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import TemporalDifference
from unified.core.replay.batch import Batch


class TD(Objective):
    """y = r + γⁿ V(s'), L = distance of the critic to y, averaged with importance weights.

    The agent says what V(s') is (`agent.bootstrap`): for clipped double Q-learning the least of two target critics at the target
    policy's action. The head says what "distance" is. Sources: Sutton & Barto, chapter 7 (n-step); Fujimoto et al. 2018, equation 10.

    Where the batch has the column `mixture`, the prediction is that mixture of the critics, as the target is (REM). The priority of a row
    is the size of its TD error (`Value.td_error`), without its importance weight.
    """

    needs = ("obs", "action", "reward", "discount", "next_obs", "weight")
    parts = ("critic",)
    trains = ("encoder", "critic")
    asks = {
        "bootstrap": "(batch) -> Value",
        "critic": "(features, action) -> Value",
    }

    def __call__(self, agent: TemporalDifference, batch: Batch) -> Loss:
        with torch.no_grad():
            target = agent.bootstrap(batch).backup(self.reward(agent, batch), batch.discount)
        value: Value = agent.critic(batch.features, batch.action)
        if "mixture" in batch:
            value = value.mixture(batch.mixture)
        loss = value.loss(target)  # (B,)
        metrics = {"target": target.mean.mean(), "q": value.mean.mean(), "batch_reward": batch.reward.mean()}
        return Loss((batch.weight * loss).mean(), metrics, priority=value.td_error(target))

    def reward(self, agent: Any, batch: Batch) -> torch.Tensor:
        """The rewards ``(B,)`` that are learned from: those of the batch."""
        return batch.reward
