"""The deterministic policy gradient."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective, frozen
from unified.core.learn.protocols import ActorCritic
from unified.core.replay.batch import Batch
from unified.plugins.architectures.critics import climbed


class DPG(Objective):
    """L = -Q(s, π(s)) + c · mean a²: the policy climbs its critic, through an action drawn with gradient.

    Where actions are choices, it is the expectation over all of them. Sources: Silver et al. 2014, equation 9; Lillicrap et al. 2015; with
    the noise of Yarats et al. 2021, equation 2.

    Args:
        climb: Which of several critics is climbed: the least, their average, or the first one (Fujimoto et al. 2018).
        action_l2: c, of the squared mode of a policy of numbers, within [-1, 1] and without noise (Andrychowicz et al. 2017: 1).
    """

    needs = ("obs",)
    parts = ("actor", "critic")
    trains = ("actor",)
    asks = {
        "policy": "(features) -> Policy",
        "critic": "(features, action) -> Value",
        "noise": "() -> torch.Generator",
    }

    def __init__(self, climb: Literal["least", "average", "first"] = "least", action_l2: Annotated[float, Ge(0)] = 0.0) -> None:
        super().__init__()
        self.climb, self.action_l2 = climb, action_l2

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        def value_of(action: torch.Tensor | None) -> Value:
            return climbed(agent.critic(batch.features, action), self.climb)

        policy = agent.policy(batch.features)
        with frozen(agent.critic):  # in a phase that also trains the critic, this loss must not change it
            value, log_prob = policy.expectation(value_of, agent.noise())
        loss = -value.mean.mean()
        if self.action_l2:
            loss = loss + self.action_l2 * policy.mode.square().mean()
        return Loss(loss, {"log_prob": log_prob.mean().detach()})
