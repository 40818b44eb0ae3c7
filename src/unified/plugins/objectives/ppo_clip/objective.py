"""The clipped surrogate objective of PPO."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasPolicy
from unified.core.learn.returns import standardised
from unified.core.replay.batch import Batch


class PPOClip(Objective):
    """L = -min(ρ Â, clip(ρ, 1 - ε, 1 + ε) Â), where ρ = π(a|s) / π_old(a|s) and Â is standardised over the batch.

    Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7.

    Args:
        clip_range: Clip range ε of the probability ratio.
    """

    needs = ("obs", "action", "log_prob", "advantage")
    parts = ("actor",)
    trains = ("encoder", "actor")
    asks = {"policy": "(features) -> Policy"}

    def __init__(self, clip_range: Annotated[float, Gt(0)] = 0.2) -> None:
        super().__init__()
        self.clip_range = clip_range

    def __call__(self, agent: HasPolicy, batch: Batch) -> Loss:
        clip_range = self.clip_range
        policy = batch.once("policy", lambda: agent.policy(batch.features))
        change = policy.log_prob(batch.action) - batch.log_prob
        ratio = change.exp()
        advantage = standardised(batch.advantage)
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)
        with torch.no_grad():
            # The estimator of the divergence with the lesser variance: Schulman 2020, "Approximating KL divergence".
            metrics = {"kl": (ratio - 1 - change).mean(), "clipped": ((ratio - 1).abs() > clip_range).float().mean()}
        return Loss(-gain.mean(), metrics)
