"""Recurrent networks of one layer, which start anew where an episode begins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar

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
        return self._run(features, self.initial_state(len(features)))[0]

    def step(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
        """As `unified.core.learn.memory.Memory.step`."""
        outputs, after = self._run(features[:, None], state)
        return outputs[:, 0], after

    def unroll(self, features: torch.Tensor, state: Mapping[str, torch.Tensor], is_first: torch.Tensor) -> torch.Tensor:
        """As `unified.core.learn.memory.Memory.unroll`.

        Each piece between two resets is a sequence of its own in one call of torch's network, so resets cost no further calls.
        """
        count, length = is_first.shape
        starts = is_first.clone()
        starts[:, 0] = True
        first = starts.flatten().nonzero().flatten()  # (S,): step that a piece starts with; steps are numbered sequence after sequence
        piece = starts.flatten().cumsum(0) - 1  # (B * T,): piece of each step
        position = torch.arange(count * length, device=first.device) - first[piece]  # (B * T,): of each step within its piece
        inputs = features.new_zeros(len(first), int(position.max()) + 1, features.shape[2])
        inputs[piece, position] = features.flatten(0, 1)
        before = {name: rows[first // length] for name, rows in state.items()}
        before = reset_rows(before, is_first.flatten()[first], self.initial_state(1))
        return self._run(inputs, before)[0][piece, position].view(count, length, -1)

    @abstractmethod
    def _run(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
        """Outputs ``(B, T, H)`` of ``(B, T, F)`` without resets, and the state after the last step."""


class GRU(Recurrent):
    """A gated recurrent unit; its output is its state h. Source: Cho et al. 2014.

    Args:
        in_shape: Of a sequence, ``(T, F)``; T is open.
        hidden_dim: Numbers of the output and of the state.
    """

    names = ("h",)

    def __init__(self, in_shape: tuple[int, ...], hidden_dim: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__(nn.GRU(_features(in_shape), hidden_dim, batch_first=True))

    def _run(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
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

    def _run(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
        outputs, (h, c) = self.cell(features, (state["h"][None].contiguous(), state["c"][None].contiguous()))
        return outputs, {"h": h[0], "c": c[0]}


def _features(in_shape: tuple[int, ...]) -> int:
    """Numbers of one step.

    Raises:
        ValueError: If these are no sequences of vectors.
    """
    if len(in_shape) != 2:
        raise ValueError(f"a memory takes sequences of vectors, (steps, features), and not {tuple(in_shape)}")
    return int(in_shape[1])
