"""Two architectures, a class and a function. Arguments ``in_…`` and ``out_…`` are filled in."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import nn


class Fourier(nn.Module):
    """Sines and cosines of learned directions. Source: Li & Pathak 2021, "Functional Regularization for RL via Learned Fourier Features".

    ReLU networks fit low frequencies first. Fourier features let them fit functions with high frequencies, such as values near a goal.

    Args:
        in_features: Size of the input.
        waves: Number of directions; each has a sine and a cosine.
        scale: Standard deviation of the initial frequencies, in radians per unit of the input.
    """

    def __init__(self, in_features: int, waves: Annotated[int, Ge(1)] = 64, scale: Annotated[float, Gt(0)] = 1.0) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, waves)
        nn.init.normal_(self.project.weight, std=scale)
        nn.init.uniform_(self.project.bias, -math.pi, math.pi)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map ``(B, in)`` to ``(B, 2 * waves)``."""
        phases = self.project(inputs)
        return torch.cat([phases.sin(), phases.cos()], dim=-1)


def norm_mlp(
    in_features: int, out_features: int | None = None, width: Annotated[int, Ge(1)] = 128, depth: Annotated[int, Ge(1)] = 1
) -> nn.Module:
    """An MLP with layer normalisation and SiLU, so that the scale of its features does not depend on the scale of the input.

    Args:
        in_features: Size of the input.
        out_features: Size of the output layer; ``None`` outputs the last hidden layer (a body).
        width: Units of each layer.
        depth: Number of layers.
    """
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(in_features if index == 0 else width, width), nn.LayerNorm(width), nn.SiLU()]
    if out_features is not None:
        layers.append(nn.Linear(width, out_features))
    return nn.Sequential(*layers)
