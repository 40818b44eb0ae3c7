"""Members of the two head contracts: how a value, and how a policy, is represented."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch.nn import functional as F

from unified.core.heads import Policy, Value


class ScalarValue(Value):
    """A value that is one number, compared by squared error.

    Args:
        values: ``(E, B)`` for an ensemble, or ``(B,)``.
    """

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    @property
    def mean(self) -> torch.Tensor:
        return self.values

    def least(self) -> Self:
        return self if self.values.dim() == 1 else type(self)(self.values.min(dim=0).values)

    def backup(self, reward: torch.Tensor, discount: torch.Tensor) -> torch.Tensor:
        return reward + discount * self.values

    def loss(self, target: torch.Tensor) -> torch.Tensor:
        errors = F.mse_loss(self.values, target.expand_as(self.values), reduction="none")
        return errors.sum(dim=0) if errors.dim() == 2 else errors


class TruncatedNormal(Policy):
    """A normal distribution of fixed deviation whose draws stay within [-1, 1].

    The noise is clipped, and so is the action, with a gradient as if it were not (straight-through), so that an action at the bound
    still learns. Source: Yarats et al. 2021, "Mastering Visual Continuous Control", section 3.1.

    Args:
        mean: ``(B, A)`` within [-1, 1], float32: in bfloat16 a tanh is exactly ±1 beyond 3.5 and its gradient exactly 0.
        std: Deviation.
        clip: Greatest noise in a draw; ``None`` for no limit.
    """

    _EDGE = 1.0 - 1e-6

    def __init__(self, mean: torch.Tensor, std: float, clip: float | None = None) -> None:
        self.mean, self.std, self.clip = mean, std, clip

    @property
    def mode(self) -> torch.Tensor:
        return self.mean

    def rsample(self, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device) * self.std
        if self.clip is not None:
            noise = noise.clamp(-self.clip, self.clip)
        action = self.mean + noise
        return action + (action.clamp(-self._EDGE, self._EDGE) - action).detach()

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        scaled = (action - self.mean) / self.std
        return (-0.5 * scaled.square() - math.log(self.std) - 0.5 * math.log(2 * math.pi)).sum(dim=-1)
