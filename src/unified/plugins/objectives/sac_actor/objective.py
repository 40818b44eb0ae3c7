"""Soft policy improvement: the actor climbs its critic and keeps its entropy."""

from __future__ import annotations

from typing import Literal

import torch

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective, frozen
from unified.core.learn.protocols import ActorCritic, SoftActorCritic
from unified.core.replay.batch import Batch
from unified.plugins.architectures.critics import climbed


class SACActor(Objective):
    """L = α log π(a|s) - Q(s, a), a ~ π: through the draw for numbers, exactly for choices.

    Sources: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", equation 7; Christodoulou 2019, "Soft Actor-Critic for
    Discrete Action Settings", equation 12.

    Args:
        climb: Which of several critics is climbed: the least, their average (Chen et al. 2021, REDQ), or the first one.
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

    def __init__(self, climb: Literal["least", "average", "first"] = "least") -> None:
        super().__init__()
        self.climb = climb

    def __call__(self, agent: SoftActorCritic, batch: Batch) -> Loss:
        value, log_prob = batch.once("soft_value", lambda: soft_value(agent, batch, self.climb))
        loss = agent.alpha().detach() * log_prob - value.mean  # (1, B)
        return Loss(loss.mean(), {"entropy": -log_prob.detach().mean()})


def soft_value(agent: ActorCritic, batch: Batch, climb: str = "least") -> tuple[Value, torch.Tensor]:
    """The critic that is climbed at the policy's action ``(1, B)``, and E[log π] ``(B,)``: of one draw for numbers, exact for choices."""

    def value_of(action: torch.Tensor | None) -> Value:
        return climbed(agent.critic(batch.features, action), climb)

    policy = agent.policy(batch.features)
    with frozen(agent.critic):
        return policy.expectation(value_of, agent.noise())
