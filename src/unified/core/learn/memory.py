"""State of a policy between two steps: networks with a memory, and the rows of their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.learn.agent import Agent

#: Tensors by name, ``(n, …)`` each.
State = dict[str, torch.Tensor]


@runtime_checkable
class Memory(Protocol):
    """A network between encoder and heads that carries a state from one step to the next. `gru` and `lstm` are such networks."""

    def initial_state(self, count: int) -> State:
        """State of `count` environments at the start of an episode, by name: ``(count, …)`` each, on the network's device."""
        ...

    def step(self, features: torch.Tensor, state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, State]:
        """One step of n environments, without a reset.

        Args:
            features: ``(n, F)``.
            state: State before the step, ``(n, …)`` each.

        Returns:
            Outputs ``(n, H)``, and the state after the step, ``(n, …)`` each.
        """
        ...

    def unroll(self, features: torch.Tensor, state: Mapping[str, torch.Tensor], is_first: torch.Tensor) -> torch.Tensor:
        """Outputs ``(B, T, H)`` along sequences, with gradients through time; equal to T calls of `step` with resets between them.

        Args:
            features: ``(B, T, F)``.
            state: State before the first step of each sequence, ``(B, …)`` each.
            is_first: ``(B, T)`` bool: the initial state replaces the state before these steps.
        """
        ...


def reset_rows(state: Mapping[str, torch.Tensor], is_first: torch.Tensor, initial: Mapping[str, torch.Tensor]) -> State:
    """The state with the initial state in the rows where `is_first` ``(n,)`` is true.

    Args:
        state: ``(n, …)`` each.
        is_first: ``(n,)`` bool, on the same device.
        initial: Rows of the initial state, ``(n, …)`` each, or ``(1, …)`` where all rows are equal.
    """
    return {name: torch.where(is_first.view(-1, *[1] * (rows.dim() - 1)), initial[name], rows) for name, rows in state.items()}


def state_columns(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The columns of a batch that hold a state: ``state.NAME`` for each of its tensors.

    >>> list(state_columns({"h": torch.zeros(1, 2)}))
    ['state.h']
    """
    return {f"state.{name}": rows for name, rows in state.items()}


def first_batch(agent: Agent, obs: torch.Tensor) -> Batch:
    """The batch at the first step of n episodes: observations ``(n, *observation)`` and the initial state, if the agent has one."""
    state = agent.initial_state(len(obs))
    if not state:
        return Batch(obs=obs)
    is_first = torch.ones(len(obs), dtype=torch.bool, device=obs.device)
    return Batch({"obs": obs, "is_first": is_first, "reward": torch.zeros(len(obs), device=obs.device), **state_columns(state)})
