"""Choices on any task: where a task takes numbers, each of them is a choice between a few."""

from __future__ import annotations

import math

import torch

from unified.core.action import Action
from unified.core.spec import Space


class DiscreteActions:
    """Lets a policy that chooses act on any task.

    A discrete task takes its choices as they are. Where a task takes D numbers, each is a choice of its own between `bins` evenly spaced
    ones, the bounds included. Source: Seyde et al. 2023, "Solving continuous control via Q-learning" (decoupled Q-learning).

    Args:
        task: What the environment takes.
        bins: Choices of each number; a discrete task has choices of its own.
    """

    def __init__(self, task: Space, bins: int = 5) -> None:
        self.task = task
        choices = task.choices or bins
        shape = task.shape if task.discrete else (task.size,)
        self.stored = Space(shape, "int64", 0, choices - 1, choices)
        #: ``(A,)``, or ``(D, A)`` for D choices.
        self.choices = (*shape, choices)

    @property
    def size(self) -> int:
        """Numbers that a critic or a policy has to emit: one for every choice of every dimension."""
        return math.prod(self.choices)

    def enact(self, stored: torch.Tensor, generator: torch.Generator | None = None) -> Action:
        """Turn choices ``(n,)`` or ``(n, D)`` into an `Action`. Nothing is drawn."""
        if self.task.discrete:
            return Action(stored, stored)
        low, high = (self._bound(bound, other, stored) for bound, other in ((self.task.low, -1.0), (self.task.high, 1.0)))
        share = stored.to(torch.float32) / max(self.choices[-1] - 1, 1)
        numbers = torch.lerp(low.expand_as(share), high.expand_as(share), share)
        return Action(stored, numbers.reshape(-1, *self.task.shape).to(getattr(torch, self.task.dtype)))

    def store(self, target: torch.Tensor) -> torch.Tensor:
        """What a task calls an answer ``(n, *action)``, as choices ``(n,)`` or ``(n, D)``: of numbers, the nearest ones there are."""
        if self.task.discrete:
            return target
        low, high = (self._bound(bound, other, target) for bound, other in ((self.task.low, -1.0), (self.task.high, 1.0)))
        share = (target.float().flatten(1) - low) / (high - low)
        return (share * (self.choices[-1] - 1)).round().clamp(0, self.choices[-1] - 1).long()

    @staticmethod
    def _bound(bound: float | tuple[float, ...], other: float, like: torch.Tensor) -> torch.Tensor:
        """Of each number, ``(D,)`` or ``()``; where there is none, the one that policies keep to."""
        found = torch.as_tensor(bound, dtype=torch.float32, device=like.device)
        return torch.where(found.isfinite(), found, torch.full_like(found, other))
