"""The deterministic policy gradient."""

from __future__ import annotations

import torch

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective, frozen
from unified.core.learn.protocols import ActorCritic
from unified.core.replay.batch import Batch


class DPG(Objective):
    """L = -Q(s, π(s)): the policy climbs its critic, through an action drawn with gradient.

    Of several critics the least is climbed; where actions are choices, its expectation over all of them. Sources: Silver et al. 2014,
    equation 9; Lillicrap et al. 2015; with the noise of Yarats et al. 2021, equation 2.
    """

    needs = ("obs",)
    parts = ("actor", "critic")
    trains = ("actor",)
    asks = {
        "policy": "(features) -> Policy",
        "critic": "(features, action) -> Value",
        "noise": "() -> torch.Generator",
    }

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        def value_of(action: torch.Tensor | None) -> Value:
            value: Value = agent.critic(batch.features, action).min()
            return value

        with frozen(agent.critic):  # in a phase that also trains the critic, this loss must not change it
            value, log_prob = agent.policy(batch.features).expectation(value_of, agent.noise())
        return Loss(-value.mean.mean(), {"log_prob": log_prob.mean().detach()})
