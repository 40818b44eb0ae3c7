"""DDPG: continuous control with deep reinforcement learning. Lillicrap et al. 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified.agents import OffPolicyAgent

if TYPE_CHECKING:
    import torch

    from unified import Batch, Builder, Spec
    from unified.heads import Value


class DDPG(OffPolicyAgent):
    """An off-policy actor-critic with a deterministic policy, which explores by noise on its actions.

    y = r + γ Q̄(s', μ̄(s')), L_Q = (y - Q(s, a))² and L_μ = -Q(s, μ(s)): Lillicrap et al. 2015, equations 4 to 6. The target of the critic
    is the target critic at the target actor's action (algorithm 1); both copies follow by τ.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("deterministic")
        self.critic = self.make_critic()
        self.add_target("actor", options.tau, options.policy_delay)
        self.add_target("critic", options.tau, options.policy_delay)

    def target_action(self, batch: Batch) -> torch.Tensor:
        """The next action ``(B, D)``, by the target actor."""
        action: torch.Tensor = self.get_submodule("actor_target")(batch.next_features, self.steps).mode
        return action

    def bootstrap(self, batch: Batch) -> Value:
        """V(s') = Q̄(s', π̄(s'))."""
        return self.reduced(self.target_value(batch, self.target_action(batch)), batch)
