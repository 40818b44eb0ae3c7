"""A bonus for policies that stay uncertain."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasPolicy
from unified.core.replay.batch import Batch


class Entropy(Objective):
    """L = -w · H(π(·|s)). Source: Williams & Peng 1991; Mnih et al. 2016, section 4.

    Args:
        weight: Coefficient w of the entropy.
    """

    needs = ("obs",)
    parts = ("actor",)
    trains = ("actor",)
    asks = {"policy": "(features) -> Policy"}

    def __init__(self, weight: Annotated[float, Ge(0)] = 0.01) -> None:
        super().__init__()
        self.weight = weight

    def __call__(self, agent: HasPolicy, batch: Batch) -> Loss:
        entropy = batch.once("policy", lambda: agent.policy(batch.features)).entropy().mean()
        return Loss(-self.weight * entropy, {"entropy": entropy.detach()})
