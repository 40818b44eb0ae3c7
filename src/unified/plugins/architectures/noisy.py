"""Noisy networks: exploration by noise in the weights, of a size that is learned. Source: Fortunato et al. 2018."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from unified.core.base.rng import Stream
from unified.plugins.architectures.mlp.network import EnsembleMLP


class Noise:
    """Where noise comes from: a stream of the run, shared by everybody who holds it, copies included.

    Args:
        stream: Its counter is the whole state, and it is saved with the run.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __call__(self, device: torch.device) -> torch.Generator:
        """The generator of the next draw."""
        return self.stream.torch(device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Noise:
        return self


class NoisyEnsembleMLP(EnsembleMLP):
    """E independent MLPs whose weights are w + σ · ε, with ε drawn anew for every batch and σ learned; in evaluation ε is 0.

    Of a layer from p to q units, ε is factorised: f(a) f(b)ᵀ of p + q draws, f(x) = sign(x) √|x| (equations 10 and 11). A member's noise
    is one for all rows.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out of each member.
        noise: Where it comes from.
        members: E.
        hidden_dim: Units of each hidden layer.
        depth: Hidden layers.
        std: σ at the start, over √p.
        norm: As of `EnsembleMLP`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        noise: Noise,
        members: int = 1,
        hidden_dim: int = 256,
        depth: int = 2,
        std: float = 0.5,
        norm: str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, members, hidden_dim, depth, norm)
        self.noise = noise
        self.weight_stds, self.bias_stds = nn.ParameterList(), nn.ParameterList()
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)
            self.weight_stds.append(torch.full_like(weight.data, std * bound))
            self.bias_stds.append(torch.full_like(bias.data, std * bound))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, in)``, or ``(E, B, in)`` of each member, to ``(E, B, out)``."""
        if not self.training:
            return super().forward(inputs)
        generator = self.noise(inputs.device)
        hidden_dim = inputs.expand(len(self.weights[0]), *inputs.shape[-2:])
        layers = zip(self.weights, self.weight_stds, self.biases, self.bias_stds, strict=True)
        for index, (weight, weight_std, bias, bias_std) in enumerate(layers):
            members, rows, columns = weight.shape
            before, after = _draw((members, rows, 1), generator), _draw((members, 1, columns), generator)
            hidden_dim = torch.baddbmm(bias + bias_std * after, hidden_dim, weight + weight_std * (before * after))
            if index < len(self.weights) - 1:
                hidden_dim = self.activated(index, hidden_dim)
        return hidden_dim


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    normal = torch.randn(shape, generator=generator, device=generator.device)
    return normal.sign() * normal.abs().sqrt()
