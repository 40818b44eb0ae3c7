"""Parts that only judge."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unified.core.objective import frozen


def test_a_frozen_part_passes_gradients_on_and_takes_none():
    judge, rows = nn.Linear(3, 1), torch.ones(2, 3, requires_grad=True)
    with frozen(judge):
        value = judge(rows).sum()
    given, taken = torch.autograd.grad(value, [rows, judge.weight], allow_unused=True)
    assert torch.equal(given, judge.weight.detach().expand(2, 3))
    assert taken is None


def test_afterwards_it_is_as_it_was_whatever_was_raised():
    judge = nn.Linear(3, 1)
    judge.bias.requires_grad_(False)
    with frozen(judge):
        assert not judge.weight.requires_grad
    with pytest.raises(RuntimeError), frozen(judge):
        raise RuntimeError
    assert judge.weight.requires_grad
    assert not judge.bias.requires_grad
