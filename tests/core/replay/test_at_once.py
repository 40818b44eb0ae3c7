"""What is done for many rows at once has the bits of the same done one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.replay import buffer, rollout
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.rollout import shuffled
from unified.core.replay.samplers import Uniform
from unified.core.replay.views import Transitions

SPEC = Spec(Space((3,), "float32"), Space((), "int64", 0, 3, 4))
ENVS = 4


def steps_of(random: np.random.Generator, **changed: Any) -> StepBatch:
    """A step of four environments, in which about every fifth episode ends, fails or is interrupted."""
    end = random.choice(["", "terminated", "truncated", "failed", "interrupted"], ENVS, p=[0.8, 0.05, 0.05, 0.05, 0.05])
    columns = {
        "observation": random.normal(size=(ENVS, 3)).astype(np.float32),
        "reset_observation": random.normal(size=(ENVS, 3)).astype(np.float32),
        "reward": random.normal(size=ENVS).astype(np.float32),
        "returns": np.zeros(ENVS),
        "lengths": np.zeros(ENVS, np.int64),
        "terminated": end == "terminated",
        "truncated": end == "truncated",
        "failed": (end == "failed") | (end == "interrupted"),
        "interrupted": end == "interrupted",
        "life_lost": random.random(ENVS) < 0.1,
    }
    return StepBatch(**columns | changed)


def replay_of(steps: int, sampler: Any = None, capacity: int = 40, **view: Any) -> Replay:
    """A replay after so many random steps of four environments, its rings overwritten."""
    replay = Replay(SPEC, Transitions(**{"batch_size": 8, "n_step": 2} | view), capacity, ENVS, Streams(1), sampler=sampler)
    random = np.random.default_rng(0)
    for env_id in range(ENVS):
        replay.begin(env_id, random.normal(size=3).astype(np.float32))
    for _ in range(steps):
        replay.extend(random.integers(0, 4, ENVS), steps_of(random))
    return replay


@pytest.mark.parametrize("at_once", [1, 2_000, 10**9])
@pytest.mark.parametrize(("rows", "pieces"), [(64, 4), (67, 4), (5, 5), (3, 1)])
def test_minibatches_are_the_rows_at_each_piece_of_the_order(rows: int, pieces: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "AT_ONCE", at_once)
    batch = Batch(obs=torch.randn(rows, 3), action=torch.arange(rows), reward=torch.randn(rows))
    order = np.random.default_rng(1).permutation(rows)
    found = list(shuffled(batch, order, pieces))
    wanted = [batch.rows(torch.from_numpy(piece)) for piece in np.array_split(order, pieces)]
    assert [list(each) for each in found] == [list(batch)] * pieces
    for one, other in zip(found, wanted, strict=True):
        assert all(torch.equal(one[name], other[name]) and one[name].is_contiguous() for name in batch)


@pytest.mark.parametrize("at_once", [1, 1_500, 10**9])
@pytest.mark.parametrize("view", [{}, {"n_step": 1, "future_steps": 2}])
def test_draws_that_are_gathered_together_are_those_that_follow_each_other(
    at_once: int, view: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "AT_ONCE", at_once)
    one, other = replay_of(30, **view), replay_of(30, **view)
    for count in (1, 5, 2):
        together = list(one.samples(count))
        for batch in together:
            alone = other.sample()
            assert batch.keys() == alone.keys()
            assert all(torch.equal(batch[name], alone[name]) for name in alone)
        assert one.streams.state_dict() == other.streams.state_dict()


def test_each_draw_is_relabelled_by_its_own_generator() -> None:
    class Noisy(Uniform):
        def relabel(self, batch: Batch, store: Any, view: Any, generator: np.random.Generator) -> Batch:
            batch["reward"] += torch.from_numpy(generator.random(batch.size).astype(np.float32))
            return batch

    one, other = replay_of(30, Noisy()), replay_of(30, Noisy())
    assert [batch.reward.tolist() for batch in one.samples(4)] == [other.sample().reward.tolist() for _ in range(4)]


def test_priorities_of_an_update_count_for_the_next_draw() -> None:
    class Latest(Uniform):
        """Draws the rows that had the newest priorities."""

        prioritises = True
        rows: Any = None

        def sample(self, store: Any, view: Any, count: int, generator: np.random.Generator) -> Any:
            return super().sample(store, view, count, generator) if self.rows is None else (self.rows, np.ones(count, np.float32))

        def update_priorities(self, index: Any, priority: Any) -> None:
            self.rows = index[::-1].copy()

    replay = replay_of(30, Latest())
    batches = replay.samples(2)
    first = next(batches)
    replay.update_priorities(first.index, first.reward)
    assert torch.equal(next(batches).index, first.index.flip(0))


def test_a_step_of_all_environments_is_a_step_of_each() -> None:
    one, other = replay_of(0), replay_of(0)
    random = np.random.default_rng(3)
    for _ in range(60):
        steps, actions = steps_of(random, life_lost=np.zeros(ENVS, bool)), random.integers(0, 4, ENVS)
        one.extend(actions, steps)
        for i in range(ENVS):
            if not steps.failed[i]:
                other.add(i, actions[i], steps.reward[i], steps.terminated[i], steps.truncated[i], steps.observation[i])
            elif not steps.interrupted[i]:
                other.discard(i)
            if any((steps.terminated[i], steps.truncated[i], steps.failed[i])):
                other.begin(i, steps.reset_observation[i])
        for name in ("head", "tail", "start", "held", "open"):
            assert np.array_equal(getattr(one.store, name), getattr(other.store, name)), name
        assert np.array_equal(one.consumed, other.consumed)
    assert one.store.head.max() > one.store.length
    for name, values in one.store.data.items():
        assert np.array_equal(values, other.store.data[name]), name


def test_rows_of_some_environments_are_added_to_theirs() -> None:
    one, other = replay_of(0), replay_of(0)
    random, order = np.random.default_rng(4), np.array([2, 0, 3, 1])
    for _ in range(20):
        steps, actions = steps_of(random), random.integers(0, 4, ENVS)
        one.extend(actions, steps)
        moved = {name: values[order] for name, values in vars(steps).items() if isinstance(values, np.ndarray) and name != "_over"}
        other.extend(actions[order], StepBatch(**moved, env_ids=order))
    assert all(np.array_equal(values, other.store.data[name]) for name, values in one.store.data.items())


def test_a_step_knows_where_episodes_are_over() -> None:
    nowhere = np.zeros(ENVS, bool)
    quiet = steps_of(np.random.default_rng(0), terminated=nowhere, truncated=nowhere, failed=nowhere)
    assert not quiet.any_over
    for name in ("terminated", "truncated", "failed"):
        steps = steps_of(
            np.random.default_rng(0), **dict.fromkeys(("terminated", "truncated", "failed"), nowhere) | {name: np.arange(ENVS) == 2}
        )
        assert steps.any_over
        assert steps.over.tolist() == [False, False, True, False]
