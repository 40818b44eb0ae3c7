"""Two architectures, a class and a function. What is called ``in_…`` and ``out_…`` is filled in."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import nn


class Fourier(nn.Module):
    """Sines and cosines of learned directions. Source: Li & Pathak 2021, "Functional Regularization for RL via Learned Fourier Features".

    A network of ReLUs learns what is smooth first; waves show it what changes fast, as values do near a goal.

    Args:
        in_features: Numbers that come in.
        waves: Number of directions; each gives a sine and a cosine.
        scale: Standard deviation of the first frequencies, in radians per unit of the inputs.
    """

    def __init__(self, in_features: int, waves: Annotated[int, Ge(1)] = 64, scale: Annotated[float, Gt(0)] = 1.0) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, waves)
        nn.init.normal_(self.project.weight, std=scale)
        nn.init.uniform_(self.project.bias, -math.pi, math.pi)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, in)`` to ``(B, 2 * waves)``."""
        phases = self.project(inputs)
        return torch.cat([phases.sin(), phases.cos()], dim=-1)


def norm_mlp(
    in_features: int, out_features: int | None = None, width: Annotated[int, Ge(1)] = 128, depth: Annotated[int, Ge(1)] = 1
) -> nn.Module:
    """Linear layers, each normalised and passed through SiLU: features of a known scale, whatever comes in.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out of one more linear layer; ``None`` ends with the last normalised one (a body).
        width: Units of each layer.
        depth: Number of layers.
    """
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(in_features if index == 0 else width, width), nn.LayerNorm(width), nn.SiLU()]
    if out_features is not None:
        layers.append(nn.Linear(width, out_features))
    return nn.Sequential(*layers)
