"""TRPO: trust region policy optimization. Schulman, Levine, Moritz, Jordan & Abbeel 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from unified import Batch, Loss, Objective, Phase
from unified.agents import OnPolicyAgent, standardised
from unified.plugins.agents.trpo.trust_region import TrustRegion

if TYPE_CHECKING:
    from unified.agents import HasPolicy


class Surrogate(Objective):
    """L = -ρ Â, where ρ = π(a|s) / π_old(a|s) and Â is standardised over the batch. Source: Schulman et al. 2015, equation 14."""

    needs = ("obs", "action", "log_prob", "advantage")
    parts = ("actor",)
    trains = ("encoder", "actor")
    asks = {"policy": "(features) -> Policy"}

    def __call__(self, agent: HasPolicy, batch: Batch) -> Loss:
        ratio = (agent.policy(batch.features).log_prob(batch.action) - batch.log_prob).exp()
        return Loss(-(ratio * batch.advantage).mean())


class TRPO(OnPolicyAgent):
    """On-policy actor-critic: the policy takes one natural gradient step of limited KL divergence on each rollout.

    It raises E[π(a|s) / π_old(a|s) Â] subject to E[KL(π_old ‖ π)] ≤ δ (Schulman et al. 2015, equation 14): conjugate gradients solve
    F x = g, and θ ← θ + kʲ √(2δ / xᵀFx) x with the first j that raises the surrogate within the limit (appendix C).

    The critic learns first, in ``epochs`` passes over the whole rollout; the policy steps with the last pass, on advantages that were
    computed before the first. The KL limit holds for the whole policy, so the critic does not train the encoder.
    """

    def phases(self) -> list[Phase]:
        o = self.options
        region = TrustRegion(o.target_kl, o.cg_steps, o.cg_damping, o.line_search_steps, o.line_search_shrink)
        return [
            Phase("critic", (self.build.objective("value_mse", weight=1.0),), trains=("critic",)),
            Phase("policy", (Surrogate(),), trains=(*self.shared, "actor"), every=o.epochs, step=region),
        ]

    @torch.no_grad()
    def process_rollout(self, batch: Batch) -> Batch:
        """Standardise the advantages, and compute log-probabilities of all rows at once, as an update does: the first ratio is 1."""
        log_prob = self.policy(self.step_features(batch)[0]).log_prob(batch.action)
        batch = super().process_rollout(batch)
        return batch.with_columns(advantage=standardised(batch.advantage), log_prob=log_prob)
