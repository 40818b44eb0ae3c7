"""AC2: one actor-critic for every kind of task, after the agent of UnifiedML (Lerman et al. 2022) and DrQ-v2 (Yarats et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.learn.distributions import Policy, Value
from unified.core.learn.objective import Phase
from unified.core.replay.batch import Batch
from unified.core.replay.views import Labelled, Transitions, View
from unified.plugins.architectures.actors import make_actor, policy_head, uniform
from unified.plugins.architectures.augment.augment import make_augmentations
from unified.plugins.architectures.critics import make_critic, reduced, with_mixture
from unified.plugins.architectures.encoders import encode_observations, make_encoder

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Builder

#: What represents the policy where nobody says: of numbers, by the view.
HEADS = {"control": "truncated_normal", "regress": "deterministic"}


class AC2(Agent):
    """Encoder, actor and critic. The view of the task says what is learned: control by `td` and `dpg`, targets by `imitate`.

    On rows with labels, ``-o reinforce_critic`` learns them by reward alone, and ``-o +reinforce_critic`` by both. The target critics read the online encoder's
    features of the next observation, as in DrQ-v2: they follow slowly.
    """

    policy_parts = ("encoder", "trunk", "actor")

    def __new__(cls, spec: Spec, options: Any, build: Builder) -> AC2:
        """Where something is made, it is a `GenerativeAC2`."""
        if spec.task_type == "generate":
            from unified.plugins.agents.ac2.generative import GenerativeAC2

            cls = GenerativeAC2
        return super().__new__(cls)

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        control, shape = spec.task_type == "control", spec.observation.shape
        pixels = len(shape) == 3
        self.stack = options.stack if control and pixels else 1
        shape = (shape[0] * self.stack, *shape[1:])
        self.aug = make_augmentations(build, options.aug or ("random_shift" if control else "identity"), shape) if pixels else None
        usual = None if control or not pixels else "cnn"
        self.encoder, features = make_encoder(build, options.encoder or usual, spec, self.stack)
        self.trunk: nn.Module | None = None
        if options.trunk is not None:
            adapter = nn.Sequential(nn.Linear(features, options.trunk), nn.LayerNorm(options.trunk), nn.ReLU())
            self.encoder, features = nn.Sequential(self.encoder, adapter), options.trunk
            self.trunk = nn.Sequential(nn.Linear(features, features), nn.ReLU())
        head = policy_head(build, options.actor.head or ("categorical" if spec.action.discrete else HEADS[spec.task_type]))
        self.actions = DiscreteActions(spec.action) if head.discrete else ContinuousActions(spec.action)
        emitted = {"choices": self.actions.choices} if isinstance(self.actions, DiscreteActions) else {"actions": self.actions.size}
        trunk = options.feature_dim if control and pixels else None
        self.actor = make_actor(options.actor, head, features, trunk=trunk, **emitted)
        self.critic = make_critic(build, options.critic, features, trunk=trunk, stream=self.streams["noise"], **emitted)
        self.add_target("critic", options.tau)

    @property
    def base_view(self) -> View:
        if self.spec.task_type != "control":
            return Labelled(batch_size=self.options.batch_size)
        return Transitions.of(self.options, self.stack)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        clip = self.options.max_grad_norm
        encoding = ("encoder",) if self.trunk is None else ("encoder", "trunk")
        if self.spec.task_type != "control":
            return [Phase("actor", (self.build.objective("nll"),), trains=(*encoding, "actor"), max_grad_norm=clip)]
        return [
            Phase("critic", (self.build.objective("td"),), trains=(*encoding, "critic"), max_grad_norm=clip),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",), max_grad_norm=clip),
        ]

    def encode(self, observation: torch.Tensor, encoder: nn.Module | None = None, *, full: bool = True, few: bool = False) -> torch.Tensor:
        """See `Agent.encode`; with a trunk, features are what the trunk makes of those of the encoder."""
        features = super().encode(observation, encoder, full=full or self.trunk is not None, few=few)
        return features if self.trunk is None else self.trunk(features)

    def encode_batch(self, batch: Batch) -> Batch:
        if "label" not in batch:
            return encode_observations(self, batch, self.aug)
        obs = batch.obs if self.aug is None else self.aug(batch.obs, self.generator("shift"))
        return with_mixture(self, batch).with_columns(features=self.encode(obs), action=self.actions.encode_target(batch.label))

    def policy(self, features: torch.Tensor) -> Policy:
        policy: Policy = self.actor(features, self.steps)
        return policy

    def noise(self) -> torch.Generator:
        return self.generator("policy")

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): the least of the target critics at the policy's next action; its expectation over choices."""

        def judged(action: torch.Tensor | None) -> Value:
            critic: Any = self.critic_target
            return reduced(critic(batch.next_features, action), self.options.critic.reduce, batch)

        return self.policy(batch.next_features).expectation(judged, self.generator("target"))[0]

    @torch.no_grad()
    def forward_features(self, observation: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.actor.forward_features(self.encode(observation))
        return found

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if not explore:
            return self.actions.greedy(self.actor(self.encode(batch.obs), self.steps))
        generator = self.generator("explore")
        random = uniform(self.action_space, len(batch.obs), generator)
        if self.spec.task_type == "control" and self.steps < self.options.learning_starts:
            return self.actions.to_env(random, generator)
        action = self.actor(self.encode(batch.obs), self.steps, acting=True).sample(generator)
        if self.action_space.discrete:  # a policy over choices that is sure of itself would try nothing else
            coins = torch.rand(len(action), generator=generator, device=self.device) < self.options.explore
            action = torch.where(coins.view(-1, *[1] * (action.dim() - 1)), random, action)
        return self.actions.to_env(action, generator)
