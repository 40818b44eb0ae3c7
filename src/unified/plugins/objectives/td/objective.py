"""Temporal-difference learning of a critic."""

from __future__ import annotations

import math
from typing import Any

import torch

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import TemporalDifference
from unified.core.replay.batch import Batch


class TD(Objective):
    """y = r + γⁿ V(s'), L = distance of the critic to y, averaged with importance weights.

    The agent says what V(s') is (`agent.bootstrap`): for clipped double Q-learning the least of two target critics at the target
    policy's action. The head says what "distance" is. Sources: Sutton & Barto, chapter 7 (n-step); Fujimoto et al. 2018, equation 10.

    The prediction is made here, unless the agent made it in one pass with V(s') (``batch.once("prediction", …)``: CrossQ). Where the batch
    has the column `mixture`, it is that mixture of the critics, as the target is (REM). The priority of a row is the size of its TD error
    (`Value.td_error`), without its importance weight.

    Args:
        clip: Whether y stays within the returns that the task can give, by its range of rewards and the agent's discount: -50 to 0 for
            rewards of -1 or 0 and γ = 0.98 (Andrychowicz et al. 2017, HER, appendix A).
    """

    needs = ("obs", "action", "reward", "discount", "next_obs", "weight")
    parts = ("critic",)
    trains = ("encoder", "critic")
    asks = {
        "bootstrap": "(batch) -> Value",
        "critic": "(features, action) -> Value",
    }

    def __init__(self, clip: bool = False) -> None:
        super().__init__()
        self.clip, self.bounds = clip, (-math.inf, math.inf)

    def attach(self, agent: Any) -> None:
        if self.clip:
            self.bounds = possible_returns(agent.spec.reward_range, agent.options.discount)
            if not all(map(math.isfinite, self.bounds)):
                low, high = agent.spec.reward_range
                what = f"targets cannot be clipped: rewards go from {low:g} to {high:g}, and the discount is {agent.options.discount:g}"
                raise UsageError(Problem(what, "agent.clip_target=false, or a task that states its range of rewards (Spec.reward_range)"))

    def __call__(self, agent: TemporalDifference, batch: Batch) -> Loss:
        batch = batch.with_columns()  # a prediction is shared with the bootstrap of this call and no other
        with torch.no_grad():
            target = agent.bootstrap(batch).backup(self.reward(agent, batch), batch.discount)
            if self.clip:
                target = target.clamped(*self.bounds)
        value: Value = batch.once("prediction", lambda: agent.critic(batch.features, batch.action))
        if "mixture" in batch:
            value = value.mixture(batch.mixture)
        loss = value.loss(target)  # (B,)
        metrics = {"target": target.mean.mean(), "q": value.mean.mean(), "batch_reward": batch.reward.mean()}
        return Loss((batch.weight * loss).mean(), metrics, priority=value.td_error(target))

    def reward(self, agent: Any, batch: Batch) -> torch.Tensor:
        """The rewards ``(B,)`` that are learned from: those of the batch."""
        return batch.reward


def possible_returns(rewards: tuple[float, float], discount: float) -> tuple[float, float]:
    """Least and greatest return of an episode that may end after any step, for rewards within bounds.

    >>> possible_returns((-1.0, 0.0), 0.98), possible_returns((0.0, 1.0), 0.98)
    ((-50.0, 0.0), (0.0, 50.0))
    """
    longest = math.inf if discount >= 1.0 else round(1.0 / (1.0 - discount), 9)
    low, high = rewards
    return (low * longest if low < 0 else low), (high * longest if high > 0 else high)
