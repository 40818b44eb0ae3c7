"""Recurrent networks of one layer, which start anew where an episode begins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from torch import nn

from unified.core.learn.memory import State, reset_rows


class Recurrent(nn.Module):
    """What `GRU` and `LSTM` share.

    Weights of the input and of the state are orthogonal for each gate, biases 0: Huang et al. 2022, "The 37 Implementation Details of
    Proximal Policy Optimization", LSTM details 1.

    Args:
        cell: torch's network.
    """

    #: Names of the state's tensors.
    names: ClassVar[tuple[str, ...]]

    def __init__(self, cell: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        self.cell = cell
        for name, parameter in cell.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
            else:
                for gate in parameter.detach().split(cell.hidden_size):
                    nn.init.orthogonal_(gate)

    def initial_state(self, count: int) -> State:
        """Zeros ``(count, hidden_dim)``."""
        weight = next(self.cell.parameters())
        return {name: weight.new_zeros(count, self.cell.hidden_size) for name in self.names}

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Outputs ``(B, T, hidden_dim)`` of sequences ``(B, T, F)`` from the initial state."""
        return self.unroll(features, self.initial_state(len(features)))[0]

    def unroll(
        self, features: torch.Tensor, state: Mapping[str, torch.Tensor], is_first: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, State]:
        """As `unified.core.learn.memory.Memory.unroll`. Steps between two resets run as one call of torch's network."""
        length = features.shape[1]
        resets = [] if is_first is None else is_first.any(dim=0).nonzero().flatten().tolist()
        outputs, state = [], dict(state)
        for start, stop in pairwise(sorted({0, *resets, length})):
            if is_first is not None and start in resets:
                state = reset_rows(state, is_first[:, start], self.initial_state(1))
            found, state = self._run(features[:, start:stop], state)
            outputs.append(found)
        return torch.cat(outputs, dim=1), state

    @abstractmethod
    def _run(self, features: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Outputs and next state, without resets."""


class GRU(Recurrent):
    """A gated recurrent unit; its output is its state h. Source: Cho et al. 2014.

    Args:
        in_shape: Of a sequence, ``(T, F)``; T is open.
        hidden_dim: Numbers of the output and of the state.
    """

    names = ("h",)

    def __init__(self, in_shape: tuple[int, ...], hidden_dim: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__(nn.GRU(_features(in_shape), hidden_dim, batch_first=True))

    def _run(self, features: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        outputs, h = self.cell(features, state["h"][None].contiguous())
        return outputs, {"h": h[0]}


class LSTM(Recurrent):
    """A long short-term memory with state h and c; its output is h. Source: Hochreiter & Schmidhuber 1997.

    Args:
        in_shape: Of a sequence, ``(T, F)``; T is open.
        hidden_dim: Numbers of the output and of each of the two states.
    """

    names = ("h", "c")

    def __init__(self, in_shape: tuple[int, ...], hidden_dim: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__(nn.LSTM(_features(in_shape), hidden_dim, batch_first=True))

    def _run(self, features: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        outputs, (h, c) = self.cell(features, (state["h"][None].contiguous(), state["c"][None].contiguous()))
        return outputs, {"h": h[0], "c": c[0]}


def _features(in_shape: Any) -> int:
    """Numbers of one step.

    Raises:
        ValueError: If these are no sequences of vectors.
    """
    if len(in_shape) != 2:
        raise ValueError(f"a memory takes sequences of vectors, (steps, features), and not {tuple(in_shape)}")
    return int(in_shape[1])
