"""DQN: human-level control through deep reinforcement learning. Mnih et al. 2015; with what came after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from unified import Action, Batch, DiscreteActions, Phase, Schedule
from unified.agents import OffPolicyAgent
from unified.heads import Categorical
from unified.nets import action_mask, epsilon_greedy, greedy_choice, soft_log_policy, soft_maximum

if TYPE_CHECKING:
    from unified import Builder, Spec
    from unified.heads import Value


class DQN(OffPolicyAgent):
    """Q-learning: the critic values every choice, the greatest value acts, and a target critic values what comes next.

    L = (y - Q(s, a))² with y = R + γⁿ Q̄(s', argmax_a Q(s', a)), where R is the discounted sum of n rewards, s' the state after them and Q̄
    the target network. One step and max_a Q̄(s', a) (``n_step=1``, ``double=false``) are Mnih et al. 2015, algorithm 1.

    Double (van Hasselt et al. 2016), n-step, and by options of the critic dueling (Wang et al. 2016), noisy (Fortunato et al. 2018) or
    distributional (``critic.head=categorical``: C51, Bellemare et al. 2017; ``quantile``: QR-DQN, Dabney et al. 2018). Where a task takes
    numbers, each is a choice between a few, with values of its own, and an action is worth their average (Seyde et al. 2023).

    With a temperature τ it is soft Q-learning (Haarnoja et al. 2017): a next state is worth τ ln Σ exp(Q / τ), and softmax(Q / τ) may
    act.

    The target network is the whole network, as in the paper: a copy of the encoder goes with that of the critic (``target_encoder``),
    unless the encoder has nothing to train. A target critic that is copied every few thousand updates would otherwise read features that
    have moved on since.
    """

    policy_parts = ("encoder", "critic")
    masked_actions = True

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = DiscreteActions(spec.action, options.bins)
        self.epsilon = Schedule("0" if options.epsilon is None else options.epsilon)
        self.critic = self.make_critic()
        self.add_target("critic", options.tau, options.target_update_interval)
        self.copies_encoder = options.target_encoder and any(parameter.requires_grad for parameter in self.encoder.parameters())
        if self.copies_encoder:
            self.add_target("encoder", options.tau, options.target_update_interval)

    @property
    def bottleneck(self) -> None:
        """No bottleneck: as in the paper, the critic sees all features."""

    def default_aug(self) -> None:
        """No augmentation, as in the paper."""

    def phases(self) -> list[Phase]:
        return [Phase("critic", (self.build.objective("td"),), trains=("encoder", "critic"), max_grad_norm=self.options.max_grad_norm)]

    def encode_batch(self, batch: Batch) -> Batch:
        obs, next_obs = self.augmented(batch.obs), self.augmented(batch.next_obs)
        with torch.no_grad():
            features = {}
            if self.options.double or not self.copies_encoder:  # else the target network both chooses and values
                features["next_features"] = self.encode(next_obs)
            if self.copies_encoder:
                features["target_features"] = self.encode(next_obs, self.get_submodule("encoder_target"))
        return self.with_draws(batch).with_columns(features=self.encode(obs), **features)

    def bootstrap(self, batch: Batch) -> Value:
        """V(s'): the target critic's value of the action that the online critic (double), or it itself, likes best, or its soft maximum."""
        features = batch.target_features if self.copies_encoder else batch.next_features
        value = self.reduced(self.get_submodule("critic_target")(features), batch)
        mask = action_mask(self.spec, batch.next_obs)
        if self.options.temperature is not None:
            return soft_maximum(value, self.options.temperature, mask)
        if not self.options.double:
            return value.gather(greedy_choice(value, mask))
        chooser: Value = self.critic(batch.next_features)
        return value.gather(greedy_choice(chooser.mixture(batch.mixture) if "mixture" in batch else chooser, mask))

    def target_log_policy(self, batch: Batch) -> torch.Tensor:
        """τ ln π̄(a|s) ``(B,)`` of the actions that were taken, π̄ = softmax(Q̄ / τ): the target network at the present observations."""
        features = batch.features
        if self.copies_encoder:
            features = self.encode(self.augmented(batch.obs), self.get_submodule("encoder_target"))
        value = self.reduced(self.get_submodule("critic_target")(features), batch)
        logs = soft_log_policy(value, self.options.temperature, action_mask(self.spec, batch.obs))
        return logs.gather(-1, batch.action[..., None]).flatten(1).mean(dim=-1)

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        mask = action_mask(self.spec, batch.obs)
        if not explore:
            return self.actions.to_env(greedy_choice(self._values(batch.obs), mask), None)
        generator = self.generator("explore")
        epsilon = 1.0 if self.starts else self.epsilon(self.steps)

        def chosen() -> torch.Tensor:
            value = self._values(batch.obs)
            if not self.options.softmax:
                return greedy_choice(value, mask)
            policy = Categorical(value.mean.mean(dim=0) / self.options.temperature)
            return (policy if mask is None else policy.masked(mask)).sample(generator)

        action = epsilon_greedy(chosen, self.action_space, batch.size, epsilon, generator, mask)
        return self.actions.to_env(action, None)

    def _values(self, observation: torch.Tensor) -> Value:
        """Q(s, ·), of what acts."""
        value: Value = self.acting("critic")(self.encode(observation, few=True))
        return value

    @torch.no_grad()
    def expected_return(self, batch: Batch) -> torch.Tensor:
        """Q(s, a) of the choice that it likes best, averaged over the critics."""
        value = self._values(batch.obs)
        return value.gather(greedy_choice(value, action_mask(self.spec, batch.obs))).mean.mean(dim=0)
