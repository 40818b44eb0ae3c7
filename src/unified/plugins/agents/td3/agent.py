"""TD3: addressing function approximation error in actor-critic methods. Fujimoto, van Hoof & Meger 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from unified import Phase, Problem, UsageError
from unified.agents import OffPolicyAgent
from unified.heads import TruncatedNormal

if TYPE_CHECKING:
    from unified import Batch, Builder, Spec
    from unified.heads import Value


class TD3(OffPolicyAgent):
    """An off-policy actor-critic with clipped double Q-learning, target policy smoothing and delayed policy updates.

    The target of the critics is the lesser target critic at the target actor's action with clipped noise (equations 10 and 14). The actor
    and all target networks move in every second update (``policy_delay``). The actor climbs the lesser critic, where the paper has the
    first.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("deterministic")
        if self.action_space.discrete:
            raise UsageError(Problem("td3 adds noise to numbers, and this policy head is over choices", "actor.head=deterministic"))
        self.critic = self.make_critic()
        self.add_target("actor", options.tau, options.policy_delay)
        self.add_target("critic", options.tau, options.policy_delay)

    def phases(self) -> list[Phase]:
        critic, actor = super().phases()
        return [critic, Phase("actor", actor.objectives, actor.trains, every=self.options.policy_delay)]

    def bootstrap(self, batch: Batch) -> Value:
        """V(s') = min Q̄(s', ã), ã = π̄(s') with clipped noise, within the bounds."""
        mode = self.get_submodule("actor_target")(batch.next_features, self.steps).mode
        noisy = TruncatedNormal(mode, self.options.target_noise, self.options.target_noise_clip)
        action = noisy.sample(self.generator("target"))
        return self.reduced(self.get_submodule("critic_target")(batch.next_features, action), batch)

    def explore(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return TruncatedNormal(self.policy(features).mode, self.options.exploration_noise).sample(generator)
