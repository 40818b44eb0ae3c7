"""Batches are compared, value for value, with what explicit loops over lists of episodes give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.base.rng import Streams
from unified.core.replay import gather
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

LETTERS = st.sampled_from("--------etf")


@st.composite
def plays(draw: st.DrawFn) -> tuple[int, list[str]]:
    num_envs = draw(st.integers(1, 3))
    return num_envs, draw(st.lists(st.tuples(*[LETTERS] * num_envs), max_size=60))


@settings(max_examples=150, deadline=None)
@given(plays(), st.integers(1, 5), st.integers(1, 4), st.integers(0, 6), st.integers(0, 25), st.booleans())
def test_equals_explicit_loops(
    helpers: Any, play: tuple[int, list[str]], n_step: int, stack: int, ahead: int, spare: int, pixels: bool
) -> None:
    num_envs, steps = play
    view = Transitions(batch_size=24, stack=stack, n_step=n_step, discount=0.9, future_steps=ahead)
    both = helpers.Both(helpers.FRAMES if pixels else helpers.VECTORS, view, num_envs * (stack + n_step + spare), num_envs)
    for env_id in range(num_envs):
        both.begin(env_id)
    for number, kinds in enumerate(steps):
        both.step(kinds)
        if number % 7 == 0:
            both.compare(1)
    both.compare()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), LETTERS), min_size=1, max_size=3, unique_by=lambda one: one[0]), max_size=60))
def test_steps_of_some_environments_equal_explicit_loops(helpers: Any, arrivals: list[list[tuple[int, str]]]) -> None:
    """Environments arrive in any order and not equally often."""
    both = helpers.Both(helpers.VECTORS, Transitions(batch_size=24, stack=2, n_step=2, discount=0.9), 3 * 9, 3)
    for env_id in range(3):
        both.begin(env_id)
    for arrival in arrivals:
        both.step("".join(kind for _, kind in arrival), np.array([env_id for env_id, _ in arrival]))
    both.compare()


def test_windows_and_ends_by_hand(helpers: Any) -> None:
    """One episode of three steps that terminates, one of two that is cut off; rewards 1, 2, 4 and 8, 16."""
    replay = Replay(helpers.VECTORS, Transitions(batch_size=64, n_step=2, discount=0.5), 20, 1, Streams(0))
    see = [np.full(3, value, np.float32) for value in range(10)]
    replay.begin(0, see[0])
    replay.add(0, 1, 1.0, False, False, see[1])
    replay.add(0, 2, 2.0, False, False, see[2])
    replay.add(0, 3, 4.0, True, False, see[3])
    replay.begin(0, see[4])
    replay.add(0, 1, 8.0, False, False, see[5])
    replay.add(0, 2, 16.0, False, True, see[6])
    batch = replay.sample()
    rows = {
        tuple(float(x) for x in row)
        for row in zip(batch.obs[:, 0], batch.action, batch.reward, batch.discount, batch.next_obs[:, 0], strict=True)
    }
    assert rows == {
        (0, 1, 1 + 2 / 2, 0.25, 2),
        (1, 2, 2 + 4 / 2, 0.0, 3),
        (2, 3, 4.0, 0.0, 3),
        (4, 1, 8 + 16 / 2, 0.25, 6),  # a time limit keeps its discount and its true last observation
        (5, 2, 16.0, 0.5, 6),
    }


def test_what_follows_by_hand(helpers: Any) -> None:
    """An episode of three steps that ends, in a ring that has come round, and one that goes on: two steps ahead, stacked."""
    replay = Replay(helpers.VECTORS, Transitions(batch_size=64, stack=2, future_steps=2), 8, 1, Streams(0))
    see = [np.full(3, value, np.float32) for value in range(10)]
    replay.begin(0, see[9])
    replay.add(0, 3, 0.0, True, False, see[9])
    replay.begin(0, see[0])
    for step in range(3):
        replay.add(0, step + 1, 0.0, step == 2, False, see[step + 1])
    replay.begin(0, see[5])
    for step in range(2):
        replay.add(0, step + 1, 0.0, False, False, see[step + 6])
    batch = replay.sample()
    rows = {
        float(obs[-1]): (future[:, ::3].tolist(), action.tolist(), mask.tolist())
        for obs, future, action, mask in zip(batch.obs, batch.future_obs, batch.future_action, batch.future_mask, strict=True)
    }
    assert rows == {
        0: ([[0, 1], [1, 2]], [1, 2], [1, 1]),
        1: ([[1, 2], [2, 3]], [2, 3], [1, 1]),  # the last observation of an episode belongs to it
        2: ([[2, 3], [2, 3]], [3, 0], [1, 0]),
        5: ([[5, 6], [6, 7]], [1, 2], [1, 1]),
        6: ([[6, 7], [6, 7]], [2, 0], [1, 0]),  # what has not been lived yet
    }


def test_looking_ahead_changes_nothing_else(helpers: Any) -> None:
    """The same rows with the same numbers, and three columns more."""
    views = [Transitions(batch_size=16, stack=2, n_step=3, future_steps=ahead) for ahead in (0, 4)]
    plain, ahead = (helpers.play(helpers.Both(helpers.FRAMES, view, 60, 2), "---e--t-e" * 4).replay for view in views)
    for _ in range(3):
        one, other = plain.sample(), ahead.sample()
        assert set(other) - set(one) == {"future_obs", "future_action", "future_mask"}
        assert helpers.equal(one, type(one)({name: other[name] for name in one}))
    assert set(other) == set(ahead.view.columns)
    shapes = {name: (tuple(other[name].shape), other[name].dtype) for name in set(other) - set(one)}
    assert shapes == {
        "future_obs": ((16, 4, 2, 2, 2), torch.uint8),
        "future_action": ((16, 4, 2), torch.float32),
        "future_mask": ((16, 4), torch.float32),
    }
    assert torch.equal(other.future_action[:, 0], other.action)
    assert torch.equal(other.future_obs[:, 2], other.next_obs)


def test_shapes_and_types(helpers: Any) -> None:
    both = helpers.play(helpers.Both(helpers.FRAMES, Transitions(batch_size=5, stack=3, n_step=3), 40, 2), "----e---t-" * 3)
    batch = both.replay.sample()
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in batch.items()}
    assert shapes == {
        "obs": ((5, 3, 2, 2), torch.uint8),
        "action": ((5, 2), torch.float32),
        "reward": ((5,), torch.float32),
        "discount": ((5,), torch.float32),
        "next_obs": ((5, 3, 2, 2), torch.uint8),
        "index": ((5,), torch.int64),
        "weight": ((5,), torch.float32),
    }
    assert set(batch) == set(both.replay.view.columns)
    assert batch.obs.is_contiguous()
    assert batch.next_obs.is_contiguous()
    vectors = helpers.play(helpers.Both(helpers.VECTORS, Transitions(batch_size=5), 40, 1), "----e---t-").replay.sample()
    assert vectors.obs.shape == (5, 3)
    assert vectors.action.dtype == torch.int64


def test_every_eligible_row_equally_often(helpers: Any) -> None:
    view = Transitions(batch_size=2000, stack=2, n_step=2)
    both = helpers.play(helpers.Both(helpers.VECTORS, view, 50, 2), "---e--t-e" * 8)
    rows = both.brute.rows()
    counts = np.bincount(np.concatenate([both.replay.sample().index.numpy() for _ in range(20)]), minlength=both.replay.store.slots)
    assert set(np.flatnonzero(counts)) == set(rows)
    expected = counts.sum() / len(rows)
    chi = float(((counts[list(rows)] - expected) ** 2 / expected).sum())
    assert chi < len(rows) + 4 * (2 * len(rows)) ** 0.5


def test_same_seed_same_batches(helpers: Any) -> None:
    one, other = (helpers.play(helpers.Both(helpers.FRAMES, Transitions(batch_size=8, stack=2), 30, 1), "---t" * 10) for _ in range(2))
    first = one.replay.sample()
    assert helpers.equal(first, other.replay.sample())
    assert not helpers.equal(first, one.replay.sample())


def test_a_batch_in_use_is_never_written_over(helpers: Any) -> None:
    both = helpers.play(helpers.Both(helpers.FRAMES, Transitions(batch_size=8, stack=2), 30, 1), "-----t" * 5)
    kept = [both.replay.sample().next_obs[2:] for _ in range(12)]  # slices, whose batches are gone
    copies = [part.clone() for part in kept]
    for _ in range(20):
        both.replay.sample()
    assert all(torch.equal(part, copy) for part, copy in zip(kept, copies, strict=True))
    addresses = set()
    for _ in range(20):
        addresses.add(both.replay.sample().obs.data_ptr())
    assert len(addresses) <= 2  # memory of batches that are gone is used again


def test_an_episode_longer_than_the_ring_is_discarded(helpers: Any) -> None:
    both = helpers.Both(helpers.FRAMES, Transitions(batch_size=8, stack=2, n_step=2), 10, 1)
    both.begin(0)
    for kinds in "-----e" + "-" * 25 + "f" + "-" * 6:
        both.step(kinds)
        both.compare(1)
    assert both.replay.steps == 6


@pytest.mark.parametrize("threads", [1, 3])
def test_pieces_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(gather, "PIECE", 64)
    source = np.arange(3000, dtype=np.float32).reshape(100, 5, 6)
    gatherer = gather.Gatherer(threads=threads)
    for seed in range(20):
        rows = np.random.default_rng(seed).integers(0, 100, 77)
        np.testing.assert_array_equal(gatherer.take(source, rows, (77, 5, 6)).numpy(), source[rows])


def test_refuses_what_cannot_be(helpers: Any) -> None:
    view = Transitions(stack=3, n_step=3)
    with pytest.raises(UsageError, match="at least"):
        Replay(helpers.FRAMES, view, 11, 2, Streams(0))
    replay = Replay(helpers.FRAMES, view, 12, 2, Streams(0))
    assert not replay.ready
    with pytest.raises(UnifiedError, match="no transition"):
        replay.sample()
    with pytest.raises(RuntimeError, match="begin"):
        replay.add(0, np.zeros(2), 0.0, False, False, np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="future_steps"):
        Transitions(future_steps=-1)
    with pytest.raises(ValueError, match="n_step"):
        Transitions(n_step=0)


def test_terminates_where_hardly_anything_is_eligible(helpers: Any) -> None:
    """Ten thousand slots of which one can be drawn: rejecting alone would need thousands of rounds."""
    replay = Replay(helpers.VECTORS, Transitions(batch_size=4, n_step=5000), 20_000, 1, Streams(0))
    replay.begin(0, np.zeros(3, np.float32))
    for _ in range(5000):
        replay.add(0, 0, 1.0, False, False, np.zeros(3, np.float32))
    assert replay.view.count(replay.store) == 1
    assert replay.sample().index.tolist() == [0] * 4
