"""Advantages against the definition, summed term by term."""

from __future__ import annotations

import pytest
import torch

from unified.core.learn.returns import compute_gae

GAMMA = 0.9


def by_definition(
    reward: list[float], terminal: list[bool], value: list[float], after: list[float], boundary: list[bool], gae_lambda: float
) -> list[float]:
    """Â_t = Σ_k (γλ)^k δ_{t+k} up to the first cut."""
    found = []
    for start in range(len(reward)):
        total = 0.0
        for k, t in enumerate(range(start, len(reward))):
            delta = reward[t] + (0.0 if terminal[t] else GAMMA * after[t]) - value[t]
            total += (GAMMA * gae_lambda) ** k * delta
            if boundary[t]:
                break
        found.append(total)
    return found


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_sums_of_errors_end_where_a_trajectory_is_cut(gae_lambda: float) -> None:
    generator = torch.Generator().manual_seed(1)
    reward, value, after = torch.rand(3, 12, generator=generator).unbind()
    terminal = torch.tensor([False] * 4 + [True] + [False] * 7)
    boundary = terminal.clone()
    boundary[[8, 11]] = True  # a time limit, and the end of the rollout
    discount = torch.where(terminal, 0.0, GAMMA)
    found = compute_gae(reward, discount, value, after, boundary, gae_lambda)
    wanted = by_definition(*(each.tolist() for each in (reward, terminal, value, after, boundary)), gae_lambda)
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_with_lambda_one_it_is_the_return_less_the_value() -> None:
    """A2C / A3C: returns from the wrong index."""
    reward, value = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.25, 0.125])
    after = torch.tensor([0.25, 0.125, 4.0])
    found = compute_gae(reward, torch.full((3,), GAMMA), value, after, torch.tensor([False, False, True]), 1.0)
    returns = [1 + GAMMA * (2 + GAMMA * (3 + GAMMA * 4)), 2 + GAMMA * (3 + GAMMA * 4), 3 + GAMMA * 4]
    torch.testing.assert_close(found + value, torch.tensor(returns))


def test_a_time_limit_keeps_the_value_of_what_would_have_come_and_a_terminal_state_has_none() -> None:
    one, boundary = torch.ones(1), torch.tensor([True])
    limited = compute_gae(one, torch.full((1,), GAMMA), torch.zeros(1), 10 * one, boundary, 0.95)
    ended = compute_gae(one, torch.zeros(1), torch.zeros(1), 10 * one, boundary, 0.95)
    assert limited.tolist() == pytest.approx([10.0])
    assert ended.tolist() == [1.0]
