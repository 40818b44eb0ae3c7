from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.replay.samplers import SumTree
from unified.core.replay.views import Transitions
from unified.plugins.samplers.prioritised.sampler import Prioritised


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.data())
def test_every_node_is_the_sum_of_its_children(slots: int, data: st.DataObject) -> None:
    tree, plain = SumTree(slots), np.zeros(slots)
    for _ in range(data.draw(st.integers(0, 6))):
        index = np.array(data.draw(st.lists(st.integers(0, slots - 1), min_size=1, max_size=8)))
        value = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.5, 1e6]), min_size=len(index), max_size=len(index))))
        tree.set(index, value)
        for i, x in zip(index, value, strict=True):
            plain[i] = x
    assert tree.total == pytest.approx(plain.sum())
    nodes = tree._nodes
    for i in range(1, tree._first):
        assert nodes[i] == nodes[2 * i] + nodes[2 * i + 1]
    np.testing.assert_array_equal(tree.leaves, plain)
    if tree.total:
        mass = np.linspace(0, tree.total, 50, endpoint=False)
        found = tree.find(mass)
        assert (plain[found] > 0).all()
        np.testing.assert_array_equal(found, np.searchsorted(np.cumsum(plain), mass, side="right"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("----etf"), st.sampled_from("----etf")), max_size=50), st.integers(1, 3))
def test_draws_only_eligible_rows(helpers: Any, steps: list[tuple[str, str]], n_step: int) -> None:
    sampler = Prioritised()
    both = helpers.Both(helpers.FRAMES, Transitions(batch_size=16, stack=2, n_step=n_step), 24, 2, sampler=sampler)
    both.begin(0)
    both.begin(1)
    for kinds in steps:
        both.step(kinds)
        if both.replay.ready:
            batch = both.replay.sample()
            both.replay.update_priorities(batch.index, torch.rand(16))
    both.compare()
    held = ~both.replay.store.data["last"] & np.isin(np.arange(24), _held(both.replay.store))
    np.testing.assert_array_equal(sampler.mass(np.arange(24)) > 0, held)


def _held(store: Any) -> np.ndarray:
    return np.concatenate([store.index(env_id, np.arange(store.tail[env_id], store.head[env_id])) for env_id in range(store.num_envs)])


def test_in_proportion_to_priority(helpers: Any) -> None:
    sampler = Prioritised(alpha=1.0, beta="1.0", eps=1e-9)
    both = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=4000), 20, 1, sampler=sampler), "-----t-----")
    rows = sorted(both.brute.rows())
    priority = torch.arange(1.0, len(rows) + 1)
    both.replay.update_priorities(torch.tensor(rows), priority)
    batch = both.replay.sample()
    share = np.bincount(batch.index.numpy(), minlength=20)[rows] / 4000
    np.testing.assert_allclose(share, (priority / priority.sum()).numpy(), atol=0.03)
    by_row = dict(zip(batch.index.tolist(), batch.weight.tolist(), strict=True))
    np.testing.assert_allclose([by_row[row] for row in rows], (1 / priority).numpy(), rtol=1e-5)


def test_a_priority_has_its_least_amount_before_the_exponent(helpers: Any) -> None:
    """PER: (p^α + ε) where (p + ε)^α was meant, with which a row of error 0 hardly ever comes again."""
    sampler = Prioritised(alpha=0.5, eps=0.01)
    both = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=4), 20, 1, sampler=sampler), "-----t-----")
    both.replay.update_priorities(torch.tensor([0, 1]), torch.tensor([0.0, 0.35]))
    np.testing.assert_allclose(sampler.mass(np.array([0, 1])), [0.1, 0.6])


def test_the_greatest_weight_is_one_among_the_rows_of_a_batch(helpers: Any) -> None:
    """PER: weights over the least priority of the whole memory, so that those of a batch are small."""
    sampler = Prioritised(alpha=1.0, beta="1.0", eps=1e-9)
    both = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=4), 20, 1, sampler=sampler), "-----t-----")
    rows = sorted(both.brute.rows())
    both.replay.update_priorities(torch.tensor(rows), torch.tensor([1e-6] + [1.0] * (len(rows) - 1)))
    batch = both.replay.sample()
    assert rows[0] not in batch.index.tolist()
    assert batch.weight.tolist() == [1.0] * 4


def test_broken_priorities_change_nothing(helpers: Any) -> None:
    sampler = Prioritised()
    both = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=4), 20, 1, sampler=sampler), "-----t-----")
    before = sampler.tree.leaves.copy()
    both.replay.update_priorities(torch.tensor([0, 1]), torch.tensor([float("nan"), float("inf")]))
    np.testing.assert_array_equal(sampler.tree.leaves, before)


@pytest.mark.parametrize("options", [{"alpha": 1.1}, {"alpha": -0.1}, {"eps": 0.0}])
def test_refuses_exponents_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Prioritised(**options)


def test_state_goes_on_exactly(helpers: Any, tmp_path: Any) -> None:
    def make() -> Any:
        return helpers.Both(helpers.FRAMES, Transitions(batch_size=8, stack=2), 40, 1, sampler=Prioritised())

    one, other = helpers.play(make(), "----e--t" * 8), make()
    one.replay.update_priorities(one.replay.sample().index, torch.rand(8))
    snapshot, state, streams = one.replay.flush(tmp_path), one.replay.state_dict(), one.replay.streams.state_dict()
    other.replay.restore(tmp_path, snapshot)
    other.replay.load_state_dict(state)
    other.replay.streams.load_state_dict(streams)
    for _ in range(3):
        assert helpers.equal(one.replay.sample(), other.replay.sample())


@pytest.mark.parametrize("num_envs", [1, 2])
@pytest.mark.parametrize("capacity", [30, 200])
def test_priorities_go_over_to_a_replay_of_another_size(helpers: Any, tmp_path: Any, num_envs: int, capacity: int) -> None:
    """A run that is trained on with a greater budget may have a greater ring."""

    def make(slots: int) -> Any:
        return helpers.Both(helpers.FRAMES, Transitions(batch_size=8, stack=2), slots, num_envs, sampler=Prioritised())

    one, other = helpers.play(make(40), "----e--t" * 8), make(capacity)
    for _ in range(20):
        one.replay.update_priorities(one.replay.sample().index, torch.rand(8))
    other.replay.restore(tmp_path, one.replay.flush(tmp_path))
    other.replay.load_state_dict(one.replay.state_dict())
    ours, theirs = one.replay.store, other.replay.store
    for env_id in range(num_envs):
        slot = np.arange(max(ours.tail[env_id], theirs.tail[env_id]), ours.head[env_id])
        before, after = one.replay.sampler.mass(ours.index(env_id, slot)), other.replay.sampler.mass(theirs.index(env_id, slot))
        np.testing.assert_array_equal(after, before)
        assert len(slot) > 5
    assert np.count_nonzero(other.replay.sampler.tree.leaves) <= theirs.slots
    assert len(set(np.unique(other.replay.sampler.tree.leaves))) > 4
    other.replay.sample()


@pytest.mark.parametrize("num_envs", [1, 2, 3])
def test_what_is_drawn_does_not_depend_on_the_length_of_a_ring_that_is_not_full(helpers: Any, num_envs: int) -> None:
    """A longer budget may come with longer rings, and draws the same rows with the same weights."""

    def make(slots: int) -> Any:
        both = helpers.Both(helpers.FRAMES, Transitions(batch_size=64), slots, num_envs, sampler=Prioritised())
        return helpers.play(both, "----e--t" * 8)

    priority = np.random.default_rng(0)
    one, other = make(90 * num_envs), make(1000 * num_envs)
    for _ in range(50):
        batches = [both.replay.sample() for both in (one, other)]
        found = priority.exponential(size=64).astype(np.float32)
        for both, batch in zip((one, other), batches, strict=True):
            both.replay.update_priorities(batch.index, torch.from_numpy(found))
        rows = [np.divmod(batch.pop("index").numpy(), both.replay.store.length) for both, batch in zip((one, other), batches, strict=True)]
        np.testing.assert_array_equal(*rows)
        assert helpers.equal(*batches)


def test_beta_rises_over_the_updates_of_the_run_or_by_a_schedule_of_its_own(helpers: Any) -> None:
    """PER: beta that is never annealed to 1."""

    def weights(beta: str | None, batches: int) -> np.ndarray:
        sampler = Prioritised(alpha=1.0, beta=beta, eps=1e-9)
        both = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=256), 20, 1, sampler=sampler, updates=10), "-----t-----")
        rows = sorted(both.brute.rows())
        both.replay.update_priorities(torch.tensor(rows), torch.arange(1.0, len(rows) + 1))
        for _ in range(batches):
            batch = both.replay.sample()
        priority = dict(zip(rows, range(1, len(rows) + 1), strict=True))
        found = {priority[row]: weight for row, weight in zip(batch.index.tolist(), batch.weight.tolist(), strict=True)}
        return np.array([np.log(found[2]) / np.log(1 / 2), np.log(found[8]) / np.log(1 / 8)])

    for beta, batches, expected in [(None, 1, 0.4), (None, 6, 0.7), (None, 12, 1.0), ("0.4", 12, 0.4), ("linear(0.5,1,4)", 3, 0.75)]:
        np.testing.assert_allclose(weights(beta, batches), expected, rtol=1e-4)
