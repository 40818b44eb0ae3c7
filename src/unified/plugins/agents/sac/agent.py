"""SAC: soft actor-critic algorithms and applications. Haarnoja, Zhou, Hartikainen et al. 2018; for choices, Christodoulou 2019."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.learn.distributions import Policy, Value
from unified.core.learn.objective import Phase
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions
from unified.plugins.architectures.actors import make_actor, policy_head, uniform
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.critics import make_critic, reduced
from unified.plugins.architectures.encoders import encode_observations, make_encoder, shows_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Builder


class Alpha(nn.Module):
    """The temperature α, learned as its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> torch.Tensor:
        return self.log.exp()


class SAC(Agent):
    """An off-policy actor-critic that is paid for entropy: twin critics, a squashed normal policy, a temperature that is learned.

    With a categorical actor, the default where actions are choices, expectations over actions are exact. From pixels, the critic trains the
    encoder, as in DrQ (Kostrikov et al. 2020), and actor and critic each see its features through a bottleneck. The target critics then
    read the online encoder's features of the next observation, as in DrQ-v2: they follow slowly (τ = 0.005). In DrQ they have an encoder of
    their own, which follows as they do.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        pixels = shows_pixels(spec)
        self.stack = options.stack if pixels else 1
        self.aug = RandomShift(options.pad) if pixels else None
        self.encoder, features = make_encoder(build, options.encoder, spec, self.stack)
        head = policy_head(build, options.actor.head or ("categorical" if spec.action.discrete else "tanh_gaussian"))
        self.actions = DiscreteActions(spec.action, options.bins) if head.discrete else ContinuousActions(spec.action)
        emitted = {"choices": self.actions.choices} if isinstance(self.actions, DiscreteActions) else {"actions": self.actions.size}
        trunk = options.feature_dim if pixels else None
        self.actor = make_actor(options.actor, head, features, trunk=trunk, **emitted)
        self.critic = make_critic(build, options.critic, features, trunk=trunk, stream=self.streams["noise"], **emitted)
        self.alpha = Alpha(options.alpha)
        self.target_entropy = self._target_entropy()
        self.add_target("critic", options.tau)
        self._drawn: tuple[torch.Tensor, torch.Tensor] | None = None  # features, and log π of what was drawn there

    def _target_entropy(self) -> float:
        if self.options.target_entropy is not None:
            return float(self.options.target_entropy)
        space = self.actions.space
        return self.options.entropy_share * space.size * math.log(space.n) if space.n else -float(space.size)

    @property
    def base_view(self) -> Transitions:
        return Transitions.of(self.options, self.stack)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        return [
            Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic")),
            Phase("actor", (self.build.objective("sac_actor"), self.build.objective("sac_alpha")), trains=("actor", "alpha")),
        ]

    def encode_batch(self, batch: Batch) -> Batch:
        self._drawn = None
        return encode_observations(self, batch, self.aug)

    def policy(self, features: torch.Tensor) -> Policy:
        policy: Policy = self.actor(features, self.steps)
        return policy

    def noise(self) -> torch.Generator:
        return self.generator("policy")

    def expectation(self, features: torch.Tensor, value: Callable[[torch.Tensor | None], Value]) -> tuple[Value, torch.Tensor]:
        """`Policy.expectation` at these features."""
        found, log_prob = self.policy(features).expectation(value, self.noise())
        self._drawn = (features, log_prob.detach())
        return found, log_prob

    def log_prob(self, features: torch.Tensor) -> torch.Tensor:
        """E[log π] ``(B,)`` at these features, without gradient: by the draw of `expectation` where there was one."""
        if self._drawn is None or self._drawn[0] is not features:
            with torch.no_grad():
                return self.policy(features).sample_and_log_prob(self.noise())[1]
        return self._drawn[1]

    def bootstrap(self, batch: Batch) -> Value:
        """V(s') = Q(s', a') - α log π(a'|s'), a' ~ π: the least of the target critics, at the next action of the present policy."""

        def judged(action: torch.Tensor | None) -> Value:
            return reduced(self.get_submodule("critic_target")(batch.next_features, action), self.options.critic.reduce, batch)

        value, log_prob = self.policy(batch.next_features).expectation(judged, self.generator("target"))
        return value.shift(-self.alpha() * log_prob)

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if explore and self.steps < self.options.learning_starts:
            generator = self.generator("explore")
            return self.actions.to_env(uniform(self.action_space, len(batch.obs), generator), generator)
        policy: Policy = self.actor(self.encode(batch.obs, full=False), self.steps, acting=True)
        if not explore:
            return self.actions.greedy(policy)
        generator = self.generator("explore")
        return self.actions.to_env(policy.sample(generator), generator)
