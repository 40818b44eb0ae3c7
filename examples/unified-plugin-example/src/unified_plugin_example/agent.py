"""Twin: twin critics, target policy smoothing, delayed actor updates. After Fujimoto, van Hoof & Meger 2018 (TD3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from unified import Phase, Problem, UsageError
from unified.agents import OffPolicyAgent
from unified.heads import TruncatedNormal

if TYPE_CHECKING:
    from unified import Batch, Builder, Spec
    from unified.heads import Value


class Twin(OffPolicyAgent):
    """An off-policy actor-critic for pixels and vectors, with continuous actions; discrete actions work too, as one number per choice.

    Against overestimation, the target is the minimum of two critics at a noisy action, and the actor is updated less often than the
    critics.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("deterministic")
        if self.action_space.discrete:
            raise UsageError(Problem("twin needs a policy head for continuous actions", "actor.head=deterministic"))
        self.critic = self.make_critic()
        self.add_target("actor", options.tau, options.delay)
        self.add_target("critic", options.tau, options.delay)

    def phases(self) -> list[Phase]:
        return [
            Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic")),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",), every=self.options.delay),
        ]

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): the minimum of the target critics at the smoothed action of the target actor."""
        mode = self.actor_target(batch.next_features, self.steps).mode
        action = TruncatedNormal(mode, self.options.smooth_std, self.options.smooth_clip).sample(self.generator("target"))
        return self.reduced(self.critic_target(batch.next_features, action), batch)

    def explore(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return TruncatedNormal(self.policy(features).mode, self.options.explore_std).sample(generator)
