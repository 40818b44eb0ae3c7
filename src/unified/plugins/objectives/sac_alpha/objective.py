"""The temperature of soft actor-critic: the weight of entropy, learned so that the policy keeps a target entropy."""

from __future__ import annotations

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import SoftActorCritic
from unified.core.replay.batch import Batch
from unified.plugins.objectives.sac_actor.objective import soft_value


class SACAlpha(Objective):
    """L = -α (log π(a|s) + H), a ~ π: α rises while the entropy is below the target H, and falls above it.

    H is the agent's, or of each row where the batch has a column `target_entropy`.

    Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", equation 18.
    """

    needs = ("obs",)
    parts = ("actor", "critic", "alpha")
    trains = ("alpha",)
    asks = {
        "policy": "(features) -> Policy",
        "noise": "() -> torch.Generator",
        "critic": "(features, action) -> Value",
        "alpha": "() -> Tensor",
        "target_entropy": "float",
    }

    def __call__(self, agent: SoftActorCritic, batch: Batch) -> Loss:
        log_prob = batch.once("soft_value", lambda: soft_value(agent, batch))[1]  # the draw of `sac_actor`, where both are in one phase
        alpha, entropy = agent.alpha(), batch.get("target_entropy", agent.target_entropy)
        return Loss(-alpha * (log_prob.detach() + entropy).mean(), {"alpha": alpha.detach()})
