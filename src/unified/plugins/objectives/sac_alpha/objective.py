"""The temperature of soft actor-critic: what entropy is worth, so that the policy has as much of it as it is told to have."""

from __future__ import annotations

from typing import Any

from unified.core.learn.objective import Loss, Objective
from unified.core.replay.batch import Batch


class SACAlpha(Objective):
    """L = -α (log π(a|s) + H), a ~ π: α rises while the entropy is below the target H, and falls above it.

    Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", equation 18.
    """

    needs = ("obs",)
    parts = ("actor", "alpha")
    trains = ("alpha",)
    asks = {
        "log_prob": "(features) -> Tensor",
        "alpha": "() -> Tensor",
        "target_entropy": "float",
    }

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        alpha = agent.alpha()
        return Loss(-alpha * (agent.log_prob(batch.features) + agent.target_entropy).mean(), {"alpha": alpha.detach()})
