"""Recurrent networks against a loop over time."""

from __future__ import annotations

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.learn.memory import Memory, State
from unified.core.learn.networks import construct, output_shape
from unified.plugins.architectures.recurrent.network import GRU, LSTM, Recurrent

KINDS = pytest.mark.parametrize("kind", [GRU, LSTM])
FEATURES, HIDDEN = 3, 5


def make(kind: type[Recurrent], rows: int, steps: int, resets: float) -> tuple[Recurrent, torch.Tensor, State, torch.Tensor]:
    """A network, features, a state before the first step, and episodes that begin with this probability."""
    torch.manual_seed(4)
    memory = kind((1, FEATURES), HIDDEN)  # type: ignore[call-arg, arg-type]
    state = {name: torch.randn(rows, HIDDEN) for name in memory.names}
    return memory, torch.randn(rows, steps, FEATURES), state, torch.rand(rows, steps) < resets


def loop(memory: Recurrent, features: torch.Tensor, state: State, is_first: torch.Tensor) -> torch.Tensor:
    """The slow reference: one environment and one step at a time."""
    rows = []
    for row in range(len(features)):
        before = {name: values[row : row + 1] for name, values in state.items()}
        outputs = []
        for step in range(features.shape[1]):
            if is_first[row, step]:
                before = memory.initial_state(1)
            output, before = memory.step(features[row : row + 1, step], before)
            outputs.append(output)
        rows.append(torch.stack(outputs, dim=1))
    return torch.cat(rows)


def by_hand(memory: GRU, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """One step of a GRU by its equations (Cho et al. 2014), with torch's order of gates: reset, update, new."""
    cell = memory.cell
    of_input = (x @ cell.weight_ih_l0.T + cell.bias_ih_l0).chunk(3, dim=1)
    of_state = (h @ cell.weight_hh_l0.T + cell.bias_hh_l0).chunk(3, dim=1)
    reset, update = (torch.sigmoid(of_input[gate] + of_state[gate]) for gate in (0, 1))
    new = torch.tanh(of_input[2] + reset * of_state[2])
    return (1 - update) * new + update * h


@KINDS
@pytest.mark.parametrize("resets", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (4, 7), (7, 4)])
def test_a_sequence_is_a_loop_over_its_steps_with_resets_inside(kind: type[Recurrent], resets: float, rows: int, steps: int) -> None:
    memory, features, state, is_first = make(kind, rows, steps, resets)
    torch.testing.assert_close(memory.unroll(features, state, is_first), loop(memory, features, state, is_first))


@KINDS
def test_gradients_flow_through_time_and_stop_at_a_reset(kind: type[Recurrent]) -> None:
    memory, features, state, is_first = make(kind, 2, 6, 0.0)
    is_first[0, 3] = True
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(memory.unroll(features, state, is_first)[:, 5].sum(), features)
    reached = gradient.abs().sum(dim=2) > 0
    assert reached.tolist() == [[False] * 3 + [True] * 3, [True] * 6]


@KINDS
def test_gradients_are_those_of_the_loop(kind: type[Recurrent]) -> None:
    memory, features, state, is_first = make(kind, 4, 7, 0.3)
    weights = torch.randn(4, 7, HIDDEN)
    ours, reference = (
        torch.autograd.grad((run(features, state, is_first) * weights).sum(), list(memory.parameters()))
        for run in (memory.unroll, lambda *given: loop(memory, *given))
    )
    torch.testing.assert_close(ours, reference)


@KINDS
def test_the_state_before_a_reset_does_not_matter(kind: type[Recurrent]) -> None:
    memory, features, state, is_first = make(kind, 3, 5, 0.0)
    is_first[:, 0] = True
    other = {name: rows + 1 for name, rows in state.items()}
    assert torch.equal(memory.unroll(features, state, is_first), memory.unroll(features, other, is_first))


@KINDS
def test_one_sequence_is_two_halves_with_the_state_between_them(kind: type[Recurrent]) -> None:
    memory, features, state, is_first = make(kind, 3, 8, 0.0)
    between = state
    for step in range(4):
        _, between = memory.step(features[:, step], between)
    halves = [memory.unroll(features[:, :4], state, is_first[:, :4]), memory.unroll(features[:, 4:], between, is_first[:, 4:])]
    torch.testing.assert_close(torch.cat(halves, dim=1), memory.unroll(features, state, is_first))


def test_a_gru_follows_its_equations() -> None:
    memory, features, state, _ = make(GRU, 4, 1, 0.0)
    assert isinstance(memory, GRU)
    output, after = memory.step(features[:, 0], state)
    torch.testing.assert_close(output, by_hand(memory, features[:, 0], state["h"]))
    assert torch.equal(output, after["h"])


@KINDS
def test_the_weights_of_each_gate_are_orthogonal_and_biases_zero(kind: type[Recurrent]) -> None:
    memory, *_ = make(kind, 1, 1, 0.0)
    for gate in memory.cell.weight_hh_l0.detach().split(HIDDEN):
        torch.testing.assert_close(gate @ gate.T, torch.eye(HIDDEN), atol=1e-5, rtol=0)
    for gate in memory.cell.weight_ih_l0.detach().split(HIDDEN):
        torch.testing.assert_close(gate.T @ gate, torch.eye(FEATURES), atol=1e-5, rtol=0)
    assert not any(parameter.any() for name, parameter in memory.cell.named_parameters() if name.startswith("bias"))


@KINDS
def test_it_is_a_memory_sized_by_its_place(kind: type[Recurrent]) -> None:
    memory = construct(kind, (1, FEATURES), options={"hidden_dim": HIDDEN})
    assert isinstance(memory, Memory)
    assert output_shape(memory, (1, FEATURES)) == (1, HIDDEN)
    assert not isinstance(torch.nn.GRU(FEATURES, HIDDEN), Memory)
    with pytest.raises(UsageError, match=r"a memory takes sequences of vectors, \(steps, features\), and not \(4,\)"):
        construct(kind, (4,))
