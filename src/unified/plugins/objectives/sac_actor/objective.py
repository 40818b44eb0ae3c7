"""Soft policy improvement: the actor climbs its critic and keeps its entropy."""

from __future__ import annotations

import torch

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective, frozen
from unified.core.learn.protocols import ActorCritic, SoftActorCritic
from unified.core.replay.batch import Batch


class SACActor(Objective):
    """L = α log π(a|s) - Q(s, a), a ~ π: through the draw for numbers, exactly for choices.

    Of several critics the least is climbed. Sources: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", equation 7;
    Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings", equation 12.
    """

    needs = ("obs",)
    parts = ("actor", "critic", "alpha")
    trains = ("actor",)
    asks = {
        "policy": "(features) -> Policy",
        "noise": "() -> torch.Generator",
        "critic": "(features, action) -> Value",
        "alpha": "() -> Tensor",
    }

    def __call__(self, agent: SoftActorCritic, batch: Batch) -> Loss:
        value, log_prob = batch.once("soft_value", lambda: soft_value(agent, batch))
        loss = agent.alpha().detach() * log_prob - value.mean  # (1, B)
        return Loss(loss.mean(), {"entropy": -log_prob.detach().mean()})


def soft_value(agent: ActorCritic, batch: Batch) -> tuple[Value, torch.Tensor]:
    """The least critic at the policy's action ``(1, B)``, and E[log π] ``(B,)``: of one draw for numbers, exact for choices."""

    def least(action: torch.Tensor | None) -> Value:
        value: Value = agent.critic(batch.features, action).min()
        return value

    with frozen(agent.critic):
        return agent.policy(batch.features).expectation(least, agent.noise())
