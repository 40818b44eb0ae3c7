"""The clipped surrogate objective of PPO."""

from __future__ import annotations

from typing import Any

import torch

from unified.core.base.schedule import Schedule
from unified.core.components.options import BudgetScheduleText
from unified.core.learn.objective import Loss, Objective
from unified.core.learn.returns import standardised
from unified.core.replay.batch import Batch


class PPOClip(Objective):
    """L = -min(ρ Â, clip(ρ, 1 - ε, 1 + ε) Â), where ρ = π(a|s) / π_old(a|s) and Â is standardised over the batch.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7.

    Args:
        clip_range: Clip range ε of the probability ratio, a number or a schedule over agent steps; linear(0.2,0) is over the budget.
        normalize_advantage: Whether advantages are standardised over the batch.
    """

    needs = ("obs", "action", "log_prob", "advantage")
    parts = ("actor",)
    trains = ("encoder", "actor")
    asks = {"policy": "(features) -> Policy"}

    def __init__(self, clip_range: BudgetScheduleText = "0.2", normalize_advantage: bool = True) -> None:
        super().__init__()
        self.text, self.normalize_advantage = str(clip_range), normalize_advantage
        self.clip_range: float | Schedule = _constant(self.text)

    def attach(self, agent: Any) -> None:
        """A schedule over the budget needs to know it."""
        if isinstance(self.clip_range, Schedule):
            self.clip_range = agent.build.schedule(self.text)

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        clip_range: Any = self.clip_range(agent.steps) if isinstance(self.clip_range, Schedule) else self.clip_range
        policy = batch.once("policy", lambda: agent.policy(batch.features))
        change = policy.log_prob(batch.action) - batch.log_prob
        ratio = change.exp()
        advantage = standardised(batch.advantage) if self.normalize_advantage else batch.advantage
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)
        with torch.no_grad():
            # The estimator of the divergence with the lesser variance: Schulman 2020, "Approximating KL divergence".
            metrics = {"kl": (ratio - 1 - change).mean(), "clipped": ((ratio - 1).abs() > clip_range).float().mean()}
        return Loss(-gain.mean(), metrics)


def _constant(text: str) -> float | Schedule:
    """The number that a text is, or its schedule."""
    schedule = Schedule(text, 1.0)
    return schedule if "(" in text else schedule(0.0)
