"""Expectile regression of a state's value on the values of the actions that were taken there."""

from __future__ import annotations

from typing import Annotated, Protocol

import torch
from annotated_types import Gt, Lt
from torch import nn

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective
from unified.core.replay.batch import Batch


class HasStateValue(Protocol):
    """An agent with the value of a state, and one of the actions that were taken."""

    @property
    def value(self) -> nn.Module: ...

    def taken_value(self, batch: Batch, /) -> Value:
        """Q(s, a) ``(1, B)`` of the actions of a batch, without a graph."""


class Expectile(Objective):
    """L = |κ - 1{u < 0}| u², u = Q̄(s, a) - V(s): V becomes the κ-expectile of the values of the actions that were taken in a state.

    At κ = 0.5 it is their mean, and towards 1 the best of them; no other action is ever valued. Q̄ is that of the target critics
    (`agent.taken_value`). Source: Kostrikov et al. 2021, "Offline reinforcement learning with implicit Q-learning", equation 5.

    Args:
        expectile: κ.
    """

    needs = ("obs", "action", "weight")
    parts = ("value",)
    trains = ("value",)
    asks = {
        "value": "(features) -> Value",
        "taken_value": "(batch) -> Value",
    }

    def __init__(self, expectile: Annotated[float, Gt(0), Lt(1)] = 0.7) -> None:
        super().__init__()
        self.expectile = expectile

    def __call__(self, agent: HasStateValue, batch: Batch) -> Loss:
        with torch.no_grad():
            target = agent.taken_value(batch).mean[0]
        value = agent.value(batch.features).mean[0]
        error = target - value
        weight = torch.where(error < 0, 1.0 - self.expectile, self.expectile)
        return Loss((batch.weight * weight * error.square()).mean(), {"value": value.detach().mean()})
