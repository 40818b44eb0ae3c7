"""AC2: one actor-critic for every kind of task, after the agent of UnifiedML (Lerman et al. 2022) and DrQ-v2 (Yarats et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

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
from unified.plugins.architectures.encoders import make_encoder, perceived

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Build

#: What represents the policy where nobody says: of numbers, by the view.
HEADS = {"control": "truncated_normal", "regress": "deterministic"}


class AC2(Agent):
    """Encoder, actor and critic. The view of the task says what is learned: control by `td` and `dpg`, targets by `imitate`.

    On rows with labels, ``-o reward`` learns them by reward alone, and ``-o +reward`` by both. The target critics read the online encoder's
    features of the next observation, as in DrQ-v2: they follow slowly.
    """

    def __new__(cls, spec: Spec, options: Any, build: Build) -> AC2:
        """Where something is made, it is a `Maker`."""
        if spec.view == "generate":
            from unified.plugins.agents.ac2.maker import Maker

            cls = Maker
        return super().__new__(cls)

    def __init__(self, spec: Spec, options: Any, build: Build) -> None:
        super().__init__(spec, options, build)
        control, shape = spec.view == "control", spec.observation.shape
        pixels = len(shape) == 3
        self.stack = options.stack if control and pixels else 1
        shape = (shape[0] * self.stack, *shape[1:])
        self.aug = make_augmentations(build, options.aug or ("random_shift" if control else "identity"), shape) if pixels else None
        usual = None if control or not pixels else "cnn"
        self.encoder, features = make_encoder(build, options.encoder or usual, spec, self.stack)
        head = policy_head(build, options.actor.head or ("categorical" if spec.action.discrete else HEADS[spec.view]))
        self.actions = DiscreteActions(spec.action) if head.discrete else ContinuousActions(spec.action)
        emitted = {"choices": self.actions.choices} if isinstance(self.actions, DiscreteActions) else {"actions": self.actions.size}
        trunk = options.feature_dim if control and pixels else None
        self.actor = make_actor(options.actor, head, features, trunk=trunk, **emitted)
        self.critic = make_critic(build, options.critic, features, trunk=trunk, stream=self.streams["noise"], **emitted)
        self.follow("critic", options.tau)

    @property
    def needs(self) -> View:
        if self.spec.view != "control":
            return Labelled(batch_size=self.options.batch_size)
        return Transitions.of(self.options, self.stack)

    @property
    def stored_action(self) -> Space:
        return self.actions.stored

    def phases(self) -> list[Phase]:
        clip = self.options.clip
        if self.spec.view != "control":
            return [Phase("actor", (self.build.objective("imitate"),), trains=("encoder", "actor"), clip=clip)]
        return [
            Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic"), clip=clip),
            Phase("actor", (self.build.objective("dpg"),), trains=("actor",), clip=clip),
        ]

    def perceive(self, batch: Batch) -> Batch:
        if "label" not in batch:
            return perceived(self, batch, self.aug)
        obs = batch.obs if self.aug is None else self.aug(batch.obs, self.draw("shift"))
        return with_mixture(self, batch).with_columns(features=self.encode(obs), action=self.actions.store(batch.label))

    def policy(self, features: torch.Tensor) -> Policy:
        policy: Policy = self.actor(features, self.steps)
        return policy

    def noise(self) -> torch.Generator:
        return self.draw("policy")

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): the least of the target critics at the policy's next action; its expectation over choices."""

        def judged(action: torch.Tensor | None) -> Value:
            critic: Any = self.critic_target
            return reduced(critic(batch.next_features, action), self.options.critic.reduce, batch)

        return self.policy(batch.next_features).expectation(judged, self.draw("target"))[0]

    @torch.no_grad()
    def penultimate(self, observation: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.actor.penultimate(self.encode(observation))
        return found

    @torch.no_grad()
    def act(self, observation: torch.Tensor, *, explore: bool) -> Action:
        if not explore:
            return self.actions.answer(self.actor(self.encode(observation), self.steps))
        generator = self.draw("explore")
        random = uniform(self.stored_action, len(observation), generator)
        if self.spec.view == "control" and self.steps < self.options.seed_steps:
            return self.actions.enact(random, generator)
        action = self.actor(self.encode(observation), self.steps, acting=True).sample(generator)
        if self.stored_action.discrete:  # a policy over choices that is sure of itself would try nothing else
            coins = torch.rand(len(action), generator=generator, device=self.device) < self.options.explore
            action = torch.where(coins.view(-1, *[1] * (action.dim() - 1)), random, action)
        return self.actions.enact(action, generator)
