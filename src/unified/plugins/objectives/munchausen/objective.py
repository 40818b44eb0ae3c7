"""Munchausen reinforcement learning: temporal differences that reward the likelihood of the own action."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Le

from unified.core.base.errors import Problem, UsageError
from unified.core.replay.batch import Batch
from unified.plugins.objectives.td.objective import TD


class Munchausen(TD):
    """y = r + α [τ ln π̄(a|s)] + γ Σ π̄(a'|s') (Q̄(s', a') - τ ln π̄(a'|s')), π̄ = softmax(Q̄ / τ), [·] clipped to l₀ … 0.

    The policy is that of the target network at both states, and τ is ``agent.temperature``, with which the agent's bootstrap is the last
    term. What is added to the reward keeps the policy near the one before it. With n > 1 it is added for the first action alone.

    Source: Vieillard, Pietquin & Geist 2020, "Munchausen reinforcement learning", equation 2.

    Args:
        alpha: Weight α of the log-policy.
        least: Least value l₀ of τ ln π̄(a|s), in units of returns.
    """

    asks = {
        "bootstrap": "(batch) -> Value",
        "critic": "(features, action) -> Value",
        "target_log_policy": "(batch) -> Tensor",
    }

    def __init__(self, alpha: Annotated[float, Ge(0), Le(1)] = 0.9, least: Annotated[float, Le(0)] = -1.0) -> None:
        super().__init__()
        self.alpha, self.least = alpha, least

    def attach(self, agent: Any) -> None:
        if agent.options.temperature is None:
            raise UsageError(
                Problem("objective munchausen needs the temperature of a soft policy", "agent.temperature=0.03 agent.double=false")
            )

    def reward(self, agent: Any, batch: Batch) -> torch.Tensor:
        log_policy: torch.Tensor = agent.target_log_policy(batch)
        reward: torch.Tensor = batch.reward + self.alpha * log_policy.clamp(self.least, 0.0)
        return reward
