"""Networks that a user selects for an actor or a critic, with a last layer behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.builder import Builder, selection_name
from unified.core.learn.networks import output_shape


class SelectedNetwork(nn.Module):
    """A selected architecture and one linear layer: ``(B, in)`` to ``(B, out)``.

    Args:
        body: The architecture; what it returns for a row is flattened.
        features: Numbers of a row that it returns.
        out_features: Numbers that go out.
        gain: Scale of the orthogonal weights of the last layer.
    """

    def __init__(self, body: nn.Module, features: int, out_features: int, gain: float = 1.0) -> None:
        super().__init__()
        self.body, self.last = body, nn.Linear(features, out_features)
        nn.init.orthogonal_(self.last.weight, gain)
        nn.init.zeros_(self.last.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.last(self.forward_features(inputs))
        return outputs

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of the last layer ``(B, F)``."""
        features: torch.Tensor = self.body(inputs)
        return features.flatten(1)

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layer."""
        return list(self.last.parameters())


class Ensemble(nn.Module):
    """Networks of the same form: ``(B, in)``, or ``(E, B, in)`` of each member, to ``(E, B, out)``."""

    def __init__(self, members: Iterable[SelectedNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = inputs.expand(len(self.members), *inputs.shape[-2:])
        return torch.stack([member(own) for member, own in zip(self.members, rows, strict=True)])

    def last_layer(self) -> list[nn.Parameter]:
        """Weights and biases of the last layers."""
        return [parameter for member in self.members for parameter in member.last_layer()]  # type: ignore[operator]


def start_small(network: nn.Module, bound: float | None) -> None:
    """Draw weights and biases of the last layer from U(-bound, bound), so that all outputs are near 0; ``None`` leaves them as they are.

    Source: Lillicrap et al. 2015, section 7: 3e-3, and 3e-4 from pixels.
    """
    for parameter in network.last_layer() if bound is not None else ():  # type: ignore[operator]
        nn.init.uniform_(parameter, -bound, bound)


def selected_network(
    build: Builder, selection: Any, part: str, inputs: str, in_features: int, out_features: int, gain: float = 1.0
) -> SelectedNetwork:
    """The selected architecture with a last layer.

    Args:
        build: The agent's.
        selection: See `Builder.part`.
        part: ``"actor"`` or ``"critic"``, for errors.
        inputs: What goes in, for errors: ``"features"``.
        in_features: Numbers that come in.
        out_features: Numbers that go out of the last layer.
        gain: Scale of the last layer's weights.

    Raises:
        UsageError: If it cannot take vectors of this size.
    """
    try:
        body = build.part(selection, (in_features,), observes=False)
        features = math.prod(output_shape(body, (in_features,)))
    except UsageError as error:
        hint = "the agent sizes a linear layer behind it: an argument out_… needs a default"
        several = isinstance(selection, list | tuple)
        place = part if several else f"{part}={selection_name(selection)}"
        where = f"{place} gets vectors of {in_features} numbers, {inputs}"
        raise UsageError(*(Problem(f"{where}: {problem.message}", problem.hint or hint) for problem in error.problems)) from error
    return SelectedNetwork(body, features, out_features, gain).to(build.device)
