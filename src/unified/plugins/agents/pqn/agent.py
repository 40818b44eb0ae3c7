"""PQN: simplifying deep temporal difference learning. Gallici, Fellows, Ellis, Pou, Masmitja, Foerster & Martin 2024."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from unified import Action, Batch, DiscreteActions, Loss, Objective, Phase, Problem, Schedule, UsageError
from unified.agents import OnPolicyAgent
from unified.nets import Columns, epsilon_greedy, greedy_choice, make_critic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unified import Space
    from unified.agents import HasCritic
    from unified.heads import Value


class LambdaReturn(Objective):
    """L = distance of Q(s, a) to G, the λ-return of the rollout; for one number (Q(s, a) - G)². Source: Gallici et al. 2024, equation 4."""

    needs = ("obs", "action", "return")
    parts = ("critic",)
    trains = ("encoder", "critic")
    asks = {"critic": "(features, action) -> Value"}

    def __call__(self, agent: HasCritic, batch: Batch) -> Loss:
        value: Value = agent.critic(batch.features, batch.action)
        with torch.no_grad():
            target = value.backup(batch["return"], torch.zeros_like(batch["return"]))
        return Loss(value.loss(target).mean(), {"q": value.mean.mean().detach(), "target": batch["return"].mean()})


class PQN(OnPolicyAgent):
    """Q-learning on rollouts of several environments: ε-greedy steps, λ-returns by the present critic, epochs of minibatches.

    L = (Q(s_t, a_t) - G_t)² with G_t = r_t + γ (λ G_{t+1} + (1 - λ) max_a Q(s_{t+1}, a)): Peng's Q(λ), which is not cut at random actions
    (Peng & Williams 1996; Gallici et al. 2024, section 4). It is the value V(s) = max_a Q(s, a) plus a generalised advantage, so that the
    base computes it; a time limit bootstraps from the true last observation. What makes it stable without a target network is layer
    normalisation (``critic.norm``). Where a task takes numbers, each is a choice between a few, as for `dqn`.
    """

    policy_parts = ("encoder", "memory", "critic")

    def make_heads(self, features: int) -> None:
        self.actions = DiscreteActions(self.spec.action, self.options.bins)
        self.epsilon, self.masks = Schedule(self.options.epsilon), self.spec.masks_actions
        noise = self.streams["noise"]
        self.critic = make_critic(self.build, self.options.critic, features, choices=self.actions.choices, stream=noise)
        if self.masks:
            self.critic.trunk = nn.Sequential(Columns(0, features), self.critic.trunk)
        if getattr(self.critic.head, "one_step", False):
            raise UsageError(Problem("this head of values has discounts of its own, and λ-returns have one", "agent.critic.head=scalar"))

    def phases(self) -> list[Phase]:
        return [Phase("critic", (LambdaReturn(),), trains=(*self.shared, "critic"), max_grad_norm=self.options.max_grad_norm)]

    @property
    def action_space(self) -> Space:
        return self.actions.space

    @property
    def extra_columns(self) -> Mapping[str, Space]:
        return self._state_columns

    @property
    def trace_decay(self) -> float:
        return float(self.options.q_lambda)

    def _value(self, features: torch.Tensor) -> torch.Tensor:
        """max_a Q(s, a) ``(n,)``."""
        value: Value = self.critic(features)
        return value.gather(greedy_choice(value, self._valid(features))).mean.mean(dim=0)

    def _valid(self, features: torch.Tensor) -> torch.Tensor | None:
        """The valid choices ``(n, A)``, which stand behind the features where the task shows them."""
        return features[:, -self.actions.size :] > 0 if self.masks else None

    @torch.no_grad()
    def act(self, batch: Batch, *, explore: bool) -> Action:
        features, state = self.step_features(batch)
        valid = self._valid(features)
        action = greedy = greedy_choice(self.acting("critic")(features), valid)
        if explore:
            epsilon, generator = self.epsilon(self.steps), self.generator("explore")
            action = epsilon_greedy(lambda: greedy, self.action_space, batch.size, epsilon, generator, valid)
        before = {name: batch[name] for name in self._state_columns}
        return Action(action, self.actions.to_env(action).env_action, before if explore else {}, state=state)
