"""A bonus for policies that stay uncertain."""

from __future__ import annotations

from typing import Any

from unified.core.batch import Batch
from unified.core.objective import Loss, Objective


class Entropy(Objective):
    """L = -w · H(π(·|s)). Source: Williams & Peng 1991; Mnih et al. 2016, section 4."""

    needs = ("obs",)
    parts = ("actor",)

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        entropy = agent.policy(batch.features).entropy().mean()
        return Loss(-self.options.weight * entropy, {"entropy": entropy.detach()})
