"""The policy gradient with advantages."""

from __future__ import annotations

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasPolicy
from unified.core.learn.returns import standardised
from unified.core.replay.batch import Batch


class PolicyGradient(Objective):
    """L = -log π(a|s) Â, on actions of the present policy. Source: Williams 1992; Mnih et al. 2016, section 4.

    Args:
        normalize_advantage: Whether advantages are standardised over the batch.
    """

    needs = ("obs", "action", "advantage")
    parts = ("actor",)
    trains = ("encoder", "actor")
    asks = {"policy": "(features) -> Policy"}

    def __init__(self, normalize_advantage: bool = False) -> None:
        super().__init__()
        self.normalize_advantage = normalize_advantage

    def __call__(self, agent: HasPolicy, batch: Batch) -> Loss:
        policy = batch.once("policy", lambda: agent.policy(batch.features))
        advantage = standardised(batch.advantage) if self.normalize_advantage else batch.advantage
        return Loss(-(policy.log_prob(batch.action) * advantage).mean())
