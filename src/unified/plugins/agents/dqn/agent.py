"""DQN: human-level control through deep reinforcement learning. Mnih et al. 2015; with what came after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from unified.core.base.schedule import Schedule
from unified.core.learn.actions import Action
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.learn.distributions import Value
from unified.core.learn.objective import Phase
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions
from unified.plugins.architectures.actors import uniform
from unified.plugins.architectures.critics import make_critic, reduced, with_mixture
from unified.plugins.architectures.encoders import make_encoder, shows_pixels

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.learn.builder import Builder


class DQN(Agent):
    """Q-learning: the critic values every choice, the greatest value acts, and a target critic judges what comes next.

    Double (van Hasselt et al. 2016), n-step, and by options of the critic dueling (Wang et al. 2016), noisy (Fortunato et al. 2018) or
    distributional (``critic.head=categorical``: C51, Bellemare et al. 2017; ``quantile``: QR-DQN, Dabney et al. 2018). Where a task takes
    numbers, each is a choice between a few, with values of its own, and an action is worth their average (Seyde et al. 2023).

    The target network is the whole network, as in the paper: a copy of the encoder goes with that of the critic (``target_encoder``),
    unless the encoder has nothing to train. A target critic that is copied every few thousand updates would otherwise read features that
    have moved on since.
    """

    policy_parts = ("encoder", "critic")

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = DiscreteActions(spec.action, options.bins)
        self.epsilon = Schedule(options.epsilon)
        self.stack = options.stack if shows_pixels(spec) else 1
        self.encoder, features = make_encoder(build, options.encoder, spec, self.stack)
        self.critic = make_critic(build, options.critic, features, choices=self.actions.choices, stream=self.streams["noise"])
        self.add_target("critic", options.tau, options.target_update_interval)
        self.copies_encoder = options.target_encoder and any(parameter.requires_grad for parameter in self.encoder.parameters())
        if self.copies_encoder:
            self.add_target("encoder", options.tau, options.target_update_interval)

    @property
    def base_view(self) -> Transitions:
        return Transitions.of(self.options, self.stack)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def phases(self) -> list[Phase]:
        return [Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic"), max_grad_norm=self.options.max_grad_norm)]

    def encode_batch(self, batch: Batch) -> Batch:
        with torch.no_grad():
            seen = {"next_features": self.encode(batch.next_obs)}
            if self.copies_encoder:
                seen["target_features"] = self.encode(batch.next_obs, self.get_submodule("encoder_target"))
        return with_mixture(self, batch).with_columns(features=self.encode(batch.obs), **seen)

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): what the target critic thinks of the action that the online critic (double), or it itself, likes best."""
        how, features = self.options.critic.reduce, batch.target_features if self.copies_encoder else batch.next_features
        value = reduced(self.get_submodule("critic_target")(features), how, batch)
        if not self.options.double:
            return value.gather(value.greedy)
        chooser: Value = self.critic(batch.next_features)
        return value.gather((chooser.mixture(batch.mixture) if how == "mixture" else chooser).greedy)

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if not explore:
            return self.actions.to_env(self._greedy(batch.obs))
        generator = self.generator("explore")
        epsilon = 1.0 if self.steps < self.options.learning_starts else self.epsilon(self.steps)
        coins = torch.rand(len(batch.obs), generator=generator, device=self.device) < epsilon  # one for each environment
        random = uniform(self.action_space, len(batch.obs), generator)
        if epsilon >= 1.0:
            return self.actions.to_env(random)  # nobody asks the critic
        return self.actions.to_env(torch.where(coins.view(-1, *[1] * (random.dim() - 1)), random, self._greedy(batch.obs)))

    def _greedy(self, observation: torch.Tensor) -> torch.Tensor:
        value: Value = self.critic(self.encode(observation, few=True))
        return value.greedy
