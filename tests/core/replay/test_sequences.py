"""Rollouts in sequences: every row once, in the order of time, with the state and the flags that belong to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import RolloutSequences

SPEC = Spec(Space((1,), "float32"), Space((), "int64", 0, 3, 4))
ENVS = 2
LENGTHS = (3, 5)  # steps of an episode in each environment


class Lived:
    """Two environments whose observation is 100 · environment + step since the start; the stored state is its negative."""

    def __init__(self, **view: Any) -> None:
        self.view = RolloutSequences(**{"n_steps": 8, "batch_size": 8, "epochs": 1, "sequence_length": 4, **view})
        self.replay = Replay(SPEC, self.view, 64, ENVS, Streams(1), extra={"state.h": Space((2,), "float32")})
        self.time = 0
        self.failed: set[tuple[int, int]] = set()  # environment, time
        for env_id in range(ENVS):
            self.replay.begin(env_id, np.array([100 * env_id], np.float32))
        self.steps = [0] * ENVS
        self.first: dict[float, bool] = {}  # of each observation that got an action

    def act(self, steps: int) -> None:
        for _ in range(steps):
            before = np.array([100.0 * env_id + self.time for env_id in range(ENVS)], np.float32)
            self.first.update({float(value): self.steps[env_id] == 0 for env_id, value in enumerate(before)})
            self.time += 1
            failed = np.array([(env_id, self.time) in self.failed for env_id in range(ENVS)])
            over = np.array([self.steps[env_id] + 1 == LENGTHS[env_id] for env_id in range(ENVS)]) & ~failed
            self.steps = [0 if over[env_id] or failed[env_id] else self.steps[env_id] + 1 for env_id in range(ENVS)]
            after = before[:, None] + 1
            no, zeros = np.zeros(ENVS, bool), np.zeros(ENVS)
            happened = StepBatch(after, np.ones(ENVS, np.float32), over, no, failed, after, zeros, zeros.astype(np.int64))
            self.replay.extend(np.zeros(ENVS, np.int64), happened, {"state.h": np.stack([-before, -before], axis=1)})

    def batches(self, prepare: Any = lambda batch: batch) -> list[Batch]:
        return list(self.replay.batches(0, prepare))


@pytest.mark.parametrize(("length", "shape"), [(4, (4, 4)), (3, (6, 3)), (8, (2, 8)), (32, (2, 32)), (1, (16, 1))])
def test_an_epoch_has_every_row_once_in_the_order_of_time(length: int, shape: tuple[int, int]) -> None:
    lived = Lived(sequence_length=length, batch_size=16)
    lived.act(8)
    (batch,) = lived.batches()
    assert batch.mask.shape == batch.reward.shape == batch.is_first.shape == shape
    assert batch.obs.shape == (*shape, 1)
    rows = [[value for value, valid in zip(*pair, strict=True) if valid] for pair in zip(batch.obs[..., 0], batch.mask, strict=True)]
    assert sorted(float(value) for row in rows for value in row) == [*range(8), *range(100, 108)]
    for row in rows:
        assert [float(value) for value in row] == [float(row[0]) + step for step in range(len(row))]  # one environment, no gap


def test_a_sequence_starts_from_the_state_stored_with_its_first_step() -> None:
    lived = Lived(sequence_length=3, batch_size=16)
    lived.act(8)
    (batch,) = lived.batches()
    assert torch.equal(batch.state["h"], -batch.obs[:, 0].expand(-1, 2))


def test_an_episode_begins_where_its_observation_is_the_first_one() -> None:
    """And not one step later: the flag of a step says that this step is the first, not that the step before was the last."""
    lived = Lived(sequence_length=4, batch_size=16)
    lived.act(8)
    (batch,) = lived.batches()
    for obs, is_first in zip(batch.obs.flatten(), batch.is_first.flatten(), strict=True):
        assert bool(is_first) == lived.first[float(obs)]
    assert int(batch.is_first.sum()) == 3 + 2  # episodes of 3 steps and of 5 in 8 steps


def test_padding_is_masked_and_begins_no_episode() -> None:
    lived = Lived(n_steps=8, sequence_length=5, batch_size=16)
    lived.act(8)
    (batch,) = lived.batches()
    assert sorted(batch.mask.sum(dim=1).tolist()) == [3, 3, 5, 5]
    assert not (batch.is_first & ~batch.mask).any()
    steps = batch.steps()
    assert sorted(steps.obs.flatten().tolist()) == [*range(8), *range(100, 108)]
    assert not {"mask", "state.h"} & set(steps)


def test_a_failed_episode_leaves_shorter_sequences() -> None:
    lived = Lived(sequence_length=4, batch_size=16)
    lived.failed = {(1, 4)}  # the first four steps of environment 1 are discarded
    lived.act(8)
    (batch,) = lived.batches()
    assert sorted(batch.steps().obs.flatten().tolist()) == [*range(8), *range(104, 108)]
    assert {float(obs): bool(first) for obs, first in zip(batch.steps().obs, batch.steps().is_first, strict=True)}[104.0]


def test_minibatches_have_whole_sequences_and_are_as_many_as_are_due() -> None:
    for length, batch_size, sizes in ((4, 8, [2, 2]), (4, 4, [1] * 4), (8, 4, [1, 1]), (2, 6, [3, 3, 2])):
        lived = Lived(sequence_length=length, batch_size=batch_size, epochs=3)
        every, per_step = lived.view.update_schedule(ENVS)
        lived.act(every // ENVS)
        shown = [len(batch.mask) for batch in lived.batches()]
        assert shown == sizes * 3
        assert round(every * per_step) == len(shown)


def test_each_epoch_has_an_order_of_its_own_and_the_agent_prepares_rows_once() -> None:
    lived, prepared = Lived(sequence_length=2, batch_size=16, epochs=4), []

    def prepare(batch: Batch) -> Batch:
        prepared.append(batch.obs.flatten().tolist())
        return batch.with_columns(advantage=batch.reward * 2)

    lived.act(8)
    batches = lived.batches(prepare)
    assert prepared == [[*range(8), *range(100, 108)]]
    assert len({tuple(batch.obs.flatten().tolist()) for batch in batches}) == 4
    assert all(torch.equal(batch.advantage, batch.reward * 2) for batch in batches)


def test_the_next_rollout_goes_on_where_the_last_one_ended() -> None:
    lived = Lived(sequence_length=4, batch_size=16)
    for start in (0, 8):
        lived.act(8)
        (batch,) = lived.batches()
        assert sorted(batch.obs[:, 0, 0].tolist()) == [start, start + 4, start + 100, start + 104]
        assert torch.equal(batch.state["h"], -batch.obs[:, 0].expand(-1, 2))


def test_pieces_of_a_batch_count_valid_steps() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    pieces = Batch(reward=torch.ones(2, 3), mask=mask).split(2)
    assert [(share, len(piece.steps().reward)) for share, piece in pieces] == [(0.75, 3), (0.25, 1)]


def test_a_sequence_has_a_step() -> None:
    with pytest.raises(ValueError, match="sequence_length >= 1"):
        RolloutSequences(sequence_length=0)
