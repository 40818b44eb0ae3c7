"""SAC: soft actor-critic algorithms and applications. Haarnoja, Zhou, Hartikainen et al. 2018; for choices, Christodoulou 2019."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified import Phase
from unified.agents import OffPolicyAgent
from unified.nets import action_mask

if TYPE_CHECKING:
    from unified import Batch, Builder, Spec
    from unified.heads import Value


class Alpha(nn.Module):
    """The temperature α, learned as its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> torch.Tensor:
        return self.log.exp()


class SAC(OffPolicyAgent):
    """An off-policy actor-critic of maximum entropy: twin critics, a squashed normal policy, a learned temperature.

    y = r + γ (min_i Q̄_i(s', a') - α log π(a'|s')) with a' ~ π, L_Q = Σ_i (y - Q_i(s, a))², L_π = α log π(a|s) - min_i Q_i(s, a) with a ~ π,
    and L_α = -α (log π(a|s) + H̄), where H̄ is the entropy that is wanted (Haarnoja et al. 2018, "Algorithms and applications", equations
    5, 7 and 18).

    With a categorical actor, the default where actions are choices, expectations over actions are exact. From pixels it is DrQ (Kostrikov
    et al. 2020), but for the target critics, which read the online encoder's features; DrQ has a target encoder. With ``use_sde`` it
    explores by noise that is a function of the state, for some steps the same one (Raffin et al. 2021).
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("categorical" if spec.action.discrete else "tanh_gaussian", options.bins)
        self.critic = self.make_critic()
        self.alpha = Alpha(options.alpha)
        self.target_entropy = self._target_entropy()
        if options.target_critic:
            self.add_target("critic", options.tau)

    def _target_entropy(self) -> float:
        if self.options.target_entropy is not None:
            return float(self.options.target_entropy)
        space = self.action_space
        return self.options.entropy_share * space.size * math.log(space.n) if space.n else self.options.entropy_per_number * space.size

    def phases(self) -> list[Phase]:
        climbing = self.build.objective("sac_actor", climb=self.options.climb)
        if not self.options.learn_alpha:
            return [self.critic_phase(), self.actor_phase(climbing)]
        return [self.critic_phase(), self.actor_phase(climbing, self.build.objective("sac_alpha"), trains=("actor", "alpha"))]

    def encode_batch(self, batch: Batch) -> Batch:
        """As of the base; where a task shows which choices are valid, each row has the entropy that its policy is to keep among these."""
        encoded = super().encode_batch(batch)
        mask = None if self.options.target_entropy is not None else action_mask(self.spec, batch.obs)
        return (
            encoded if mask is None else encoded.with_columns(target_entropy=self.options.entropy_share * mask.sum(-1).clamp_min(1).log())
        )

    def bootstrap(self, batch: Batch) -> Value:
        """V(s') = Q(s', a') - α log π(a'|s'), a' ~ π: the least of the target critics, at the next action of the present policy.

        Without ``backup_entropy`` it is Q(s', a').
        """
        value, log_prob = self.next_value(batch)
        return value.shift(-self.alpha() * log_prob) if self.options.backup_entropy else value
