"""Imitation: the policy is made to do what was done."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Lt

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasPolicy
from unified.core.replay.batch import Batch


class NLL(Objective):
    """L = -log π(a|s): the likelihood of the actions in the batch.

    The head of the policy says what that is: the cross-entropy of a categorical one (classification, cloning of choices), half the squared
    error of a deterministic one (regression, cloning of numbers), the likelihood of a normal one. Source: Bishop 2006, chapters 3 and 4;
    label smoothing: Szegedy et al. 2016, section 7.

    The priority of a row is `Policy.misfit`: 0 where the policy fits the action perfectly, and never negative. It is not the loss, because
    -log π of a density is negative for the rows that fit best.

    Args:
        smoothing: Label smoothing ε: the share of the probability that is spread over all choices; for policies over choices.
    """

    needs = ("obs", "action", "weight")
    parts = ("actor",)
    trains = ("encoder", "actor")
    asks = {"policy": "(features) -> Policy"}

    def __init__(self, smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def __call__(self, agent: HasPolicy, batch: Batch) -> Loss:
        policy = agent.policy(batch.features)
        log_prob = policy.log_prob(batch.action)
        with torch.no_grad():
            misfit = policy.misfit(batch.action, log_prob)
        if self.smoothing:
            log_prob = torch.lerp(log_prob, policy.uniform_log_prob(), self.smoothing)
        loss = -log_prob
        return Loss((batch.weight * loss).mean(), {"nll": loss.detach().mean()}, priority=misfit.detach())
