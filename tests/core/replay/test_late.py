"""Priorities that come one or more updates late, beside a replay that gets them by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.replay import late as module
from unified.core.replay.views import Transitions
from unified.plugins.samplers.prioritised.sampler import Prioritised

WAYS = "----etf"


def make(helpers: Any, lag: int, capacity: int = 24, num_envs: int = 2, size: int = 8) -> Any:
    both = helpers.Both(helpers.FRAMES, Transitions(batch_size=size), capacity, num_envs, sampler=Prioritised(lag=lag))
    for env_id in range(num_envs):
        both.begin(env_id)
    return both


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WAYS), st.sampled_from(WAYS), st.integers(0, 3)), max_size=40), st.integers(0, 3))
def test_draws_are_those_of_priorities_that_are_set_late_by_hand(helpers: Any, steps: list[tuple[str, str, int]], lag: int) -> None:
    """A row that was overwritten or discarded meanwhile must not pass its priority on to the row in its slot."""
    ours, theirs = make(helpers, lag), make(helpers, 0)
    waiting: list[tuple[torch.Tensor, np.ndarray, torch.Tensor]] = []
    priorities = torch.Generator().manual_seed(0)
    for *kinds, updates in steps:
        for both in (ours, theirs):
            both.step(kinds)
        for _ in range(updates if ours.replay.ready else 0):
            batch, expected = ours.replay.sample(), theirs.replay.sample()
            assert helpers.equal(batch, expected)
            priority = torch.rand(8, generator=priorities) * 10
            ours.replay.update_priorities(batch.index, priority)
            waiting.append((expected.index, expected.reward.numpy(), priority))  # rewards are all different: they identify rows
            if len(waiting) > lag:
                index, reward, priority = waiting.pop(0)
                there = torch.from_numpy(theirs.replay.store.data["reward"][index.numpy()] == reward)
                theirs.replay.update_priorities(index[there], priority[there])
    np.testing.assert_array_equal(ours.replay.sampler.tree.leaves, theirs.replay.sampler.tree.leaves)


def test_priorities_of_update_k_count_from_the_draw_of_update_k_plus_2_on(helpers: Any) -> None:
    both = make(helpers, 1, num_envs=1)
    for _ in range(5):
        both.step("-")
    mass = both.replay.sampler.mass
    assert mass(np.arange(5)).tolist() == [1.0] * 5
    both.replay.update_priorities(torch.tensor([0]), torch.tensor([3.0]))
    both.replay.sample()
    assert mass(np.arange(5)).tolist() == [1.0] * 5
    both.replay.update_priorities(torch.tensor([1]), torch.tensor([5.0]))
    assert mass(np.array([0])) == pytest.approx(3**0.6)
    assert mass(np.array([1])) == 1.0


def test_no_update_waits_for_its_own_priorities(helpers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the copy of priorities begins after the update, and is waited for when the next update is queued."""
    calls: list[str] = []

    def arriving(tensor: torch.Tensor) -> Any:
        name = f"{'index' if tensor.dtype == torch.int64 else 'priority'} {int(tensor[0])}"
        calls.append(f"begin {name}")
        return lambda: calls.append(f"wait {name}") or tensor.numpy()

    monkeypatch.setattr(module, "_arriving", arriving)
    both = make(helpers, 1, num_envs=1)
    for _ in range(5):
        both.step("-")
    for number in range(3):
        both.replay.update_priorities(torch.tensor([number]), torch.tensor([float(number)]))
        calls.append("updated")
    assert calls == [
        *("begin index 0", "begin priority 0", "updated"),
        *("begin index 1", "begin priority 1", "wait index 0", "wait priority 0", "updated"),
        *("begin index 2", "begin priority 2", "wait index 1", "wait priority 1", "updated"),
    ]


def test_a_priority_is_the_one_at_its_update(helpers: Any) -> None:
    """The memory of priorities may be used again by the next update."""
    both = make(helpers, 1, num_envs=1)
    for _ in range(5):
        both.step("-")
    index, priority = torch.tensor([0]), torch.tensor([3.0])
    both.replay.update_priorities(index, priority)
    index.fill_(2)
    priority.fill_(9.0)
    both.replay.update_priorities(index, priority)
    assert both.replay.sampler.mass(np.array([0, 2])) == pytest.approx([3**0.6, 1.0])


@pytest.mark.parametrize("lag", [1, 2])
@pytest.mark.parametrize("capacity", [16, 24, 200])
def test_a_resume_with_priorities_under_way_goes_on_exactly(helpers: Any, lag: int, capacity: int, tmp_path: Any) -> None:
    """Into rings of the same length; in others, which a longer budget may have, what is held keeps its priority."""
    one, other = make(helpers, lag), make(helpers, lag, capacity)
    priority = torch.Generator().manual_seed(0)

    def go_on(both: Any, updates: int, generator: torch.Generator) -> list[Any]:
        batches = []
        for number in range(updates):
            both.step("-e" if number % 3 else "--")
            batches.append(both.replay.sample())
            both.replay.update_priorities(batches[-1].index, torch.rand(8, generator=generator))
        return batches

    go_on(one, 30, priority)
    one.step("--")  # which overwrites rows whose priorities are under way
    state, streams = one.replay.state_dict(), one.replay.streams.state_dict()
    assert len(state["late"]) == lag
    other.replay.restore(tmp_path, one.replay.flush(tmp_path))
    other.replay.load_state_dict(state)
    other.replay.streams.load_state_dict(streams)
    other.random, seed = np.random.default_rng(5), priority.get_state()
    one.random = np.random.default_rng(5)
    if capacity == 24:
        for ours, theirs in zip(go_on(one, 6, priority), go_on(other, 6, torch.Generator().set_state(seed)), strict=True):
            assert helpers.equal(ours, theirs)
    for both in (one, other) if capacity != 24 else ():
        for _ in range(lag):
            both.replay.update_priorities(torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    ours, theirs = one.replay.store, other.replay.store
    for env_id in range(2):
        slot = np.arange(max(ours.tail[env_id], theirs.tail[env_id]), ours.head[env_id])
        before, after = one.replay.sampler.mass(ours.index(env_id, slot)), other.replay.sampler.mass(theirs.index(env_id, slot))
        np.testing.assert_array_equal(after, before)
        assert len(np.unique(before)) > 2


def test_without_lag_nothing_is_saved(helpers: Any) -> None:
    assert "late" not in make(helpers, 0).replay.state_dict()
