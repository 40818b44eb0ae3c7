"""Soft policy improvement: the actor climbs its critic and keeps its entropy."""

from __future__ import annotations

from typing import Any

import torch

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective, frozen
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
        "expectation": "(features, value_of) -> tuple[Value, Tensor]",
        "critic": "(features, action) -> Value",
        "alpha": "() -> Tensor",
    }

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        def judged(action: torch.Tensor | None) -> Value:
            value: Value = agent.critic(batch.features, action).min()
            return value

        with frozen(agent.critic):
            value, log_prob = agent.expectation(batch.features, judged)
        loss = agent.alpha().detach() * log_prob - value.mean  # (1, B)
        return Loss(loss.mean(), {"entropy": -log_prob.detach().mean()})
