"""Copies that follow a part, also where it is trained under another name, or by nobody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from unified.core.learn.ema import EmaCopy


def pair() -> tuple[nn.Linear, EmaCopy]:
    source = nn.Linear(2, 1)
    return source, EmaCopy("encoder", source, tau=0.25)


@pytest.mark.parametrize(
    "optimizer",
    [partial(torch.optim.Adam, fused=True), partial(torch.optim.SGD, fused=True), torch.optim.Adam, torch.optim.RMSprop],
    ids=["adam fused", "sgd fused", "adam", "rmsprop"],
)
def test_it_follows_what_any_optimiser_moves(optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    source, follower = pair()
    moving = optimizer(nn.Sequential(source).parameters(), lr=0.1)
    moved = {parameter for group in moving.param_groups for parameter in group["params"]}
    for _ in range(3):
        source(torch.ones(1, 2)).sum().backward()
        moving.step()
        before = follower.copy.weight.clone()
        follower.update(source, moved)
        assert torch.allclose(follower.copy.weight, before + 0.25 * (source.weight - before))
        assert not torch.equal(follower.copy.weight, before)


def test_it_follows_what_somebody_writes_into() -> None:
    source, follower = pair()
    before = follower.copy.weight.clone()
    follower.update(source, frozenset())
    assert torch.equal(follower.copy.weight, before)
    with torch.no_grad():
        source.weight.fill_(4.0)
    follower.update(source, frozenset())
    follower.update(source, frozenset())
    assert torch.allclose(follower.copy.weight, before + (1 - 0.75**2) * (4.0 - before))


def test_what_is_no_parameter_is_copied() -> None:
    source = nn.BatchNorm1d(2)
    follower = EmaCopy("encoder", source, tau=0.25)
    source.running_mean.fill_(3.0)
    follower.update(source, frozenset())
    assert follower.copy.running_mean.tolist() == [3.0, 3.0]


class Late(nn.Module):
    """Learns what the mean of its inputs is when it first sees some."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)

    def see(self, mean: float) -> None:
        self.mean = torch.tensor([mean])
        self.register_buffer("later", torch.tensor([2 * mean]))


def test_buffers_that_come_later_are_followed() -> None:
    source = nn.Sequential(nn.Linear(2, 1), Late())
    follower = EmaCopy("encoder", source, tau=0.25)
    follower.update(source, frozenset())
    for mean in (3.0, 4.0):
        source[1].see(mean)
        follower.update(source, frozenset())
        assert follower.copy.state_dict()["1.mean"].tolist() == [mean]
        assert follower.copy[1].later.tolist() == [2 * mean]
    assert follower.copy[1].mean is not source[1].mean


def test_another_part_of_that_name_is_followed() -> None:
    _, follower = pair()
    other = nn.Linear(2, 1)
    before = follower.copy.weight.clone()
    follower.update(other, {other.weight})
    assert torch.allclose(follower.copy.weight, before + 0.25 * (other.weight - before))
