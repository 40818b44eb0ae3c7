"""Networks that take levels of quantiles beside their inputs. Source: Dabney et al. 2018, "Implicit quantile networks" (IQN)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from unified.plugins.architectures.mlp.network import EnsembleMLP

#: Makes layers: numbers that come in, units of each hidden layer, numbers that go out.
Layers = Callable[[int, tuple[int, ...], int], nn.Module]


class LevelNetwork(nn.Module):
    """Z_τ(x) = f(ψ(x) ⊙ φ(τ)), φ_j(τ) = ReLU(Σ_i w_ij cos πiτ + b_j), i = 1 … C (equation 4, where i begins at 0; in Dopamine at 1).

    The last hidden layer and the output are f; the hidden layers before it are ψ, and x itself where there are none.

    Args:
        layers: Makes the layers of ψ and f: ``(B, in)``, or ``(E, B, in)`` of each member, to ``(E, B, out)``.
        in_features: Numbers of x.
        hidden: Units of each hidden layer.
        out_features: Numbers that go out at each level.
        members: E.
        cosines: C.
    """

    frequencies: torch.Tensor

    def __init__(self, layers: Layers, in_features: int, hidden: tuple[int, ...], out_features: int, members: int, cosines: int) -> None:
        super().__init__()
        before = hidden[:-1]
        width = before[-1] if before else in_features
        self.state = layers(in_features, before[:-1], width) if before else None
        self.levels = EnsembleMLP(cosines, width, members, depth=0)
        self.values = layers(width, hidden[-1:], out_features)
        self.register_buffer("frequencies", math.pi * torch.arange(1.0, cosines + 1.0), persistent=False)

    def forward(self, inputs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """``(B, in)`` and levels ``(B, N)`` to ``(E, B, N, out)``."""
        state = inputs if self.state is None else F.relu(self.state(inputs))  # (B, W) or (E, B, W)
        cosines = torch.cos(levels.flatten()[:, None] * self.frequencies)  # (B N, C)
        embedded = F.relu(self.levels(cosines)).unflatten(1, levels.shape)  # (E, B, N, W)
        values: torch.Tensor = self.values((state[..., None, :] * embedded).flatten(1, 2))
        return values.unflatten(1, levels.shape)

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layer."""
        layer: list[nn.Parameter] = self.values.last_layer()  # type: ignore[operator]
        return layer
