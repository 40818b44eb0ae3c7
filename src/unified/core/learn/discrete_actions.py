"""Choices on any task: where a task takes numbers, each of them is a choice between a few."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from unified.core.base.spec import Space
from unified.core.learn.actions import Action

if TYPE_CHECKING:
    from unified.core.learn.distributions import Policy


class DiscreteActions:
    """Lets a policy that chooses act on any task.

    A discrete task takes its choices as they are. Where a task takes D numbers, each is a choice of its own between `bins` evenly spaced
    ones from -1 to 1. Source: Seyde et al. 2023, "Solving continuous control via Q-learning" (decoupled Q-learning).

    Args:
        task: What the environment takes.
        bins: Choices of each number, 2 at least; a discrete task has choices of its own.
    """

    def __init__(self, task: Space, bins: int = 5) -> None:
        self.task = task
        choices = task.n or bins
        shape = task.shape if task.discrete else (task.size,)
        self.space = Space(shape, "int64", 0, choices - 1, choices)
        #: ``(A,)``, or ``(D, A)`` for D choices.
        self.choices = (*shape, choices)

    @property
    def size(self) -> int:
        """Numbers that a critic or a policy has to emit: one for every choice of every dimension."""
        return math.prod(self.choices)

    def to_env(self, action: torch.Tensor, generator: torch.Generator | None = None) -> Action:
        """Turn choices ``(n,)`` or ``(n, D)`` into an `Action`, numbers within [-1, 1]. Nothing is drawn."""
        if self.task.discrete:
            return Action(action, action)
        numbers = action.to(torch.float32) * (2.0 / (self.choices[-1] - 1)) - 1.0
        return Action(action, numbers.reshape(-1, *self.task.shape))

    def greedy(self, policy: Policy) -> Action:
        """What a policy over choices does where it does not explore, and on a discrete task how likely each choice is to it."""
        action = self.to_env(policy.mode)
        return replace(action, probabilities=policy.probabilities) if self.task.discrete else action

    def encode_target(self, target: torch.Tensor) -> torch.Tensor:
        """What a task calls an answer ``(n, *action)``, as this policy would have chosen it: of numbers and bytes, the nearest choices."""
        if self.task.discrete:
            return target
        numbers = target.float() / 127.5 - 1.0 if target.dtype == torch.uint8 else target.float()
        return ((numbers.clamp(-1.0, 1.0) + 1.0) * ((self.choices[-1] - 1) / 2.0)).round().long().flatten(1)
