"""Multi-layer perceptrons, alone and as ensembles."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn
from torch.nn import functional as F


class MLP(nn.Sequential):
    """Linear layers with ReLU between them.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out; ``None`` ends with the last hidden layer and its ReLU (a body).
        hidden_dim: Units of each hidden layer.
        depth: Number of hidden layers.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,
        hidden_dim: Annotated[int, Ge(1)] = 256,
        depth: Annotated[int, Ge(0)] = 2,
    ) -> None:
        layers: list[nn.Module] = []
        for index in range(depth):
            layers += [nn.Linear(in_features if index == 0 else hidden_dim, hidden_dim), nn.ReLU(inplace=True)]
        if out_features is not None:
            layers.append(nn.Linear(hidden_dim if depth else in_features, out_features))
        super().__init__(*layers)
        for module in layers:
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, …)``, pictures too, as one row of numbers each."""
        outputs: torch.Tensor = super().forward(inputs.flatten(1))  # type: ignore[no-untyped-call]
        return outputs

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the last layer reads, ``(B, hidden)``."""
        hidden_dim = inputs.flatten(1)
        for layer in list(self)[:-1]:
            hidden_dim = layer(hidden_dim)
        return hidden_dim

    def last(self, features: torch.Tensor) -> torch.Tensor:
        """The last layer alone: outputs of `forward_features`."""
        outputs: torch.Tensor = self[-1](features)
        return outputs

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layer."""
        return list(self[-1].parameters())


class EnsembleMLP(nn.Module):
    """E independent MLPs evaluated at once by batched matrix products.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out of each member.
        members: E.
        hidden_dim: Units of each hidden layer.
        depth: Hidden layers.
        norm: ``"layer"``: layer normalisation of each hidden layer, before its ReLU; each member has a scale and a shift of its own.
    """

    def __init__(
        self, in_features: int, out_features: int, members: int = 2, hidden_dim: int = 256, depth: int = 2, norm: str | None = None
    ) -> None:
        super().__init__()
        sizes = [in_features, *[hidden_dim] * depth, out_features]
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(members, a, b)) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, b)) for b in sizes[1:])
        for weight in self.weights:
            for member in weight:
                nn.init.orthogonal_(member)
        normed = depth if norm == "layer" else 0
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(members, 1, hidden_dim)) for _ in range(normed))
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, hidden_dim)) for _ in range(normed))

    def activated(self, layer: int, outputs: torch.Tensor) -> torch.Tensor:
        """Outputs ``(E, B, H)`` of a hidden layer, normalised where the options say so, behind their ReLU."""
        if len(self.scales):
            outputs = F.layer_norm(outputs, outputs.shape[-1:]) * self.scales[layer] + self.shifts[layer]
        return F.relu_(outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, in)``, or ``(E, B, in)`` of each member, to ``(E, B, out)``."""
        hidden_dim = inputs.expand(len(self.weights[0]), *inputs.shape[-2:])
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden_dim = torch.baddbmm(bias, hidden_dim, weight)
            if index < len(self.weights) - 1:
                hidden_dim = self.activated(index, hidden_dim)
        return hidden_dim

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layer."""
        return [self.weights[-1], self.biases[-1]]


class Full(nn.Module):
    """Features in float32, whatever precision the encoder gives them in: what stands where no `Bottleneck` does."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.float()


class Bottleneck(nn.Module):
    """Linear, layer normalisation, tanh: what brings many features down to few at a known scale (the "trunk" of DrQ-v2).

    The projection is the encoder's last layer and runs in the precision the features come in; what follows it is float32.

    Args:
        in_features: Numbers that come in.
        out_features: Numbers that go out, within [-1, 1].
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, out_features)
        self.norm = nn.LayerNorm(out_features)
        nn.init.orthogonal_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """``(B, in)`` in any floating type to ``(B, out)`` in the type of the parameters."""
        weight, bias = self.project.weight, self.project.bias
        projected = F.linear(features, weight.to(features.dtype)).to(weight.dtype) + bias
        return self.norm(projected).tanh()
