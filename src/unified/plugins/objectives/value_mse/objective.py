"""Regression of a state's value on the return that came of it."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt

from unified.core.learn.distributions import Value
from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasCritic
from unified.core.replay.batch import Batch


class ValueMSE(Objective):
    """L = w · distance of V(s) to the return Â + V_old(s). Source: Schulman et al. 2017, equation 9.

    Args:
        weight: Coefficient w of the value loss.
        clip_range: Greatest change of a value that is rewarded, as that of a ratio; null: none. Source: PPO's code, Engstrom et al. 2020.
    """

    needs = ("obs", "return")
    parts = ("critic",)
    trains = ("encoder", "critic")
    asks = {"critic": "(features) -> Value"}

    def __init__(self, weight: Annotated[float, Ge(0)] = 0.5, clip_range: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.weight, self.clip_range = weight, clip_range
        if clip_range is not None:
            self.needs = (*self.needs, "value")

    def __call__(self, agent: HasCritic, batch: Batch) -> Loss:
        value: Value = agent.critic(batch.features)
        with torch.no_grad():
            target = value.backup(batch["return"], torch.zeros_like(batch["return"]))
        loss = value.loss(target)
        if self.clip_range is not None:
            change = (value.mean - batch.value).clamp(-self.clip_range, self.clip_range)
            loss = torch.maximum(loss, (batch.value + change - batch["return"]).square().sum(dim=0))
        loss = loss.mean()
        return Loss(self.weight * loss, {"value": value.mean.mean().detach(), "value_loss": loss.detach()})
