"""Advantage-weighted regression: the policy imitates actions the more, the better they are."""

from __future__ import annotations

from typing import Annotated, Protocol

import torch
from annotated_types import Ge, Gt

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasPolicy
from unified.core.replay.batch import Batch


class HasAdvantage(HasPolicy, Protocol):
    """An agent with a policy that knows how much better than it an action is."""

    def advantage(self, batch: Batch, /) -> torch.Tensor:
        """A(s, a) ``(B,)`` of the actions of a batch."""


class AWR(Objective):
    """L = -min(exp(β A(s, a)), w) log π(a|s), for states and actions of the batch.

    The agent says what A is (`agent.advantage`): Q(s, a) - Q(s, a'), a' ~ π, in AWAC, and the least target critic less V(s) in IQL. The
    weight has no gradient and is limited, because it is exponential. Sources: Peng et al. 2019, "Advantage-weighted regression"; Nair et
    al. 2020, AWAC, equation 10; Kostrikov et al. 2021, IQL, equation 7.

    Args:
        beta: Inverse temperature β; 0 for behaviour cloning.
        max_weight: Greatest weight w of a row.
    """

    needs = ("obs", "action", "weight")
    parts = ("actor",)
    trains = ("actor",)
    asks = {
        "policy": "(features) -> Policy",
        "advantage": "(batch) -> Tensor",
    }

    def __init__(self, beta: Annotated[float, Ge(0)] = 1.0, max_weight: Annotated[float, Gt(0)] = 100.0) -> None:
        super().__init__()
        self.beta, self.max_weight = beta, max_weight

    def __call__(self, agent: HasAdvantage, batch: Batch) -> Loss:
        with torch.no_grad():
            advantage = agent.advantage(batch)
            weight = (self.beta * advantage).exp().clamp_max(self.max_weight)
        log_prob = agent.policy(batch.features).log_prob(batch.action)
        loss = -(batch.weight * weight * log_prob).mean()
        return Loss(loss, {"advantage": advantage.mean(), "advantage_weight": weight.mean()})
