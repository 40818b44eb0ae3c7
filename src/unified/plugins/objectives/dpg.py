"""The deterministic policy gradient."""

from __future__ import annotations

from typing import Any

from unified.core.batch import Batch
from unified.core.objective import Loss, Objective, frozen


class DPG(Objective):
    """L = -Q(s, π(s)): the policy climbs its critic, through an action drawn with gradient.

    Of several critics the least is climbed. Sources: Silver et al. 2014, equation 9; Lillicrap et al. 2015; with the noise of
    Yarats et al. 2021, equation 2.
    """

    needs = ("obs",)
    parts = ("actor", "critic")

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        policy = agent.policy(batch.features)
        action = policy.rsample(agent.noise())
        with frozen(agent.critic):  # it judges: added to a phase that trains it, this must not teach it to flatter
            value = agent.critic(batch.features, action).least()
        return Loss(-value.mean.mean(), {"log_prob": policy.log_prob(action.detach()).mean().detach()})
