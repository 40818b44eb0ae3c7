"""Residual multi-layer perceptrons."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn


class Block(nn.Module):
    """x + W₂ ReLU(W₁ LN(x)), four times as wide within."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.inner, self.outer = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for layer in (self.inner, self.outer):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = inputs + self.outer(self.inner(self.norm(inputs)).relu())
        return outputs


class Simba(nn.Sequential):
    """A linear layer, residual blocks and layer normalisation at the end, a body without a last layer.

    Source: Lee et al. 2025, "SimBa: Simplicity Bias for Scaling Up Parameters in Deep Reinforcement Learning", section 4.

    Args:
        in_features: Numbers that come in.
        hidden_dim: Width of the blocks.
        depth: Number of blocks.
    """

    def __init__(self, in_features: int, hidden_dim: Annotated[int, Ge(1)] = 256, depth: Annotated[int, Ge(0)] = 2) -> None:
        first = nn.Linear(in_features, hidden_dim)
        nn.init.orthogonal_(first.weight)
        nn.init.zeros_(first.bias)
        super().__init__(first, *(Block(hidden_dim) for _ in range(depth)), nn.LayerNorm(hidden_dim))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, …)`` to ``(B, hidden_dim)``, each row as one vector."""
        outputs: torch.Tensor = super().forward(inputs.flatten(1))  # type: ignore[no-untyped-call]
        return outputs
