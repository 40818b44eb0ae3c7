"""DrQ-v2: mastering visual continuous control. Yarats, Fergus, Lazaric & Pinto 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.schedule import Schedule
from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.distributions import Value
from unified.core.learn.objective import Phase
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions
from unified.plugins.architectures.augment.shift import RandomShift
from unified.plugins.architectures.critics import Critic, value_head
from unified.plugins.architectures.encoders import encode_observations, make_encoder, shows_pixels
from unified.plugins.architectures.heads import TruncatedNormal
from unified.plugins.architectures.mlp.network import MLP, Bottleneck, EnsembleMLP

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Builder


class Actor(nn.Module):
    """Features to a truncated normal policy: bottleneck, two hidden layers, tanh."""

    def __init__(self, in_features: int, actions: int, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.trunk = Bottleneck(in_features, feature_dim)
        self.mean = MLP(feature_dim, actions, hidden_dim, depth=2)

    def forward(self, features: torch.Tensor, std: float, clip: float | None) -> TruncatedNormal:
        return TruncatedNormal(self.mean(self.trunk(features)).tanh(), std, clip)


class DrQV2(Agent):
    """An off-policy actor-critic from pixels: random shifts, n-step clipped double Q-learning, scheduled exploration noise.

    Vectors instead of pixels need no shift and no convolutions: the encoder is then the identity. The target critics read the online
    encoder's features of the next observation, as in the authors' code (`drqv2.py`, `update_critic`): they follow slowly (τ = 0.01), so
    that these features are never far from the ones they learned to read. An encoder of their own is for hard copies (`dqn`).
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = ContinuousActions(spec.action)
        self.stddev = Schedule(options.stddev)
        pixels = shows_pixels(spec)
        self.stack = options.stack if pixels else 1
        self.aug = RandomShift(options.pad) if pixels else None
        self.encoder, features = make_encoder(build, options.encoder, spec, self.stack)
        self.actor = Actor(features, self.actions.size, options.feature_dim, options.hidden_dim)
        self.critic = self._critic(features)
        self.add_target("critic", options.tau)

    def _critic(self, features: int) -> Critic:
        """Two critics that share their bottleneck."""
        o = self.options
        trunk, head = Bottleneck(features, o.feature_dim), value_head(self.build, o.critic.head, o.critic.v_min, o.critic.v_max)
        return Critic(trunk, EnsembleMLP(o.feature_dim + self.actions.size, head.size, members=2, hidden_dim=o.hidden_dim, depth=2), head)

    @property
    def base_view(self) -> Transitions:
        return Transitions.of(self.options, self.stack)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        return [
            Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic")),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",)),
        ]

    def encode_batch(self, batch: Batch) -> Batch:
        return encode_observations(self, batch, self.aug)

    def policy(self, features: torch.Tensor) -> TruncatedNormal:
        policy: TruncatedNormal = self.actor(features, self.stddev(self.steps), self.options.noise_clip)
        return policy

    def noise(self) -> torch.Generator:
        return self.generator("policy")

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): the least of the target critics at a noisy action of the actor."""
        action = self.policy(batch.next_features).rsample(self.generator("target"))
        value: Value = self.get_submodule("critic_target")(batch.next_features, action)
        return value.min()

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if not explore:
            return self.actions.to_env(self.policy(self.encode(batch.obs, full=False)).mode, None)
        generator = self.generator("explore")
        if self.steps < self.options.learning_starts:
            shape = (len(batch.obs), self.actions.size)
            action = torch.empty(shape, device=self.device).uniform_(-1.0, 1.0, generator=generator)
        else:
            features = self.encode(batch.obs, full=False)
            action = self.actor(features, self.stddev(self.steps), None).rsample(generator)
        return self.actions.to_env(action, generator)
