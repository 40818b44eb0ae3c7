"""DrQ-v2: mastering visual continuous control. Yarats, Fergus, Lazaric & Pinto 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified import ContinuousActions
from unified.agents import ActorOptions, OffPolicyAgent, TwinCriticOptions
from unified.heads import TruncatedNormalHead
from unified.nets import make_actor, make_critic

if TYPE_CHECKING:
    from unified import Builder, Spec


class DrQV2(OffPolicyAgent):
    """An off-policy actor-critic from pixels: random shifts, n-step clipped double Q-learning, scheduled exploration noise.

    L_Q = Σ_k (Q_k(h, a) - y)² with y = R + γⁿ min_k Q̄_k(h', μ(h') + clip(ε, -c, c)), where h are the features of a shifted picture, h'
    those of the one n steps later, and R is the discounted sum of the rewards between. L_μ = -min_k Q_k(h, μ(h) + clip(ε, -c, c)), which
    moves the actor alone, and ε ~ N(0, σ²) with a σ that falls (Yarats et al. 2021, section 3).

    Vectors instead of pixels need no shift and no convolutions: the encoder is then the identity. The target critics read the online
    encoder's features of the next observation, as in the authors' code (`drqv2.py`, `update_critic`): they follow slowly (τ = 0.01), so
    that these features are never far from the ones they learned to read. An encoder of their own is for hard copies (`dqn`).
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        o, features = options, self.sight.features
        self.actions = ContinuousActions(spec.action)
        shared: dict[str, Any] = {"actions": self.actions.size, "trunk": o.feature_dim}
        head = TruncatedNormalHead(o.stddev, o.noise_clip)
        self.actor = make_actor(ActorOptions(network=o.actor, hidden_dim=o.hidden_dim), head, features, build=build, **shared)
        critics = TwinCriticOptions(**dict(o.critic), hidden_dim=o.hidden_dim)
        self.critic = make_critic(build, critics, features, **shared)
        self.add_target("critic", options.tau)
