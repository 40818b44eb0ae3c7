"""A data set as a replay: epochs without replacement, in an order that a resumed run goes on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unified.core.base.errors import UnifiedError, UsageError
from unified.core.base.rng import Streams
from unified.core.envs.dataset import Rows
from unified.core.replay.batch import Batch
from unified.core.replay.dataset import DatasetBuffer
from unified.core.replay.views import Labelled


def rows(count: int = 10) -> Rows:
    inputs = np.arange(count * 4, dtype=np.uint8).reshape(count, 1, 2, 2)
    return Rows(inputs, np.arange(count, dtype=np.int64) % 3)


def replay(batch_size: int = 4, seed: int = 1, count: int = 10, **options: int) -> DatasetBuffer:
    return DatasetBuffer(rows(count), Labelled(batch_size=batch_size), Streams(seed), **options)


def indices(of: DatasetBuffer, batches: int) -> list[int]:
    return [int(index) for batch in of.batches(batches, lambda batch: batch) for index in batch.index]


def test_each_row_is_seen_once_in_an_epoch_and_in_another_order_in_the_next() -> None:
    seen = indices(replay(), 5)  # 20 rows: two epochs
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_batch_has_the_inputs_and_targets_of_its_rows_and_never_fewer_than_asked_for() -> None:
    held, source = replay(batch_size=7), rows()
    for _ in range(6):
        batch = held.sample()
        assert len(batch.index) == 7
        index = batch.index.numpy()
        np.testing.assert_array_equal(batch.obs.numpy(), source.inputs[index])
        np.testing.assert_array_equal(batch.label.numpy(), source.targets[index])
        assert batch.obs.dtype == torch.uint8
        assert batch.weight.tolist() == [1.0] * 7


def test_the_order_is_a_function_of_the_seed() -> None:
    assert indices(replay(seed=1), 5) == indices(replay(seed=1), 5)
    assert indices(replay(seed=1), 5) != indices(replay(seed=2), 5)


@pytest.mark.parametrize("before", [1, 2, 3, 5])
def test_in_the_middle_of_an_epoch_it_goes_on_where_it_was(before: int) -> None:
    straight = indices(replay(batch_size=3), 8)
    first = replay(batch_size=3)
    lived = indices(first, before)
    second = replay(batch_size=3)
    second.load_state_dict(first.state_dict())
    assert lived + indices(second, 8 - before) == straight


def test_a_batch_may_be_larger_than_the_data_set() -> None:
    batch = replay(batch_size=25).sample()
    assert np.bincount(batch.index.numpy()).tolist() in ([3] * 5 + [2] * 5, sorted([2] * 5 + [3] * 5)) or len(batch.index) == 25
    assert set(np.bincount(batch.index.numpy())) == {2, 3}


def test_overfit_uses_the_same_few_rows_in_every_epoch() -> None:
    few = set(indices(replay(overfit=3), 12))
    assert len(few) == 3
    assert few == set(indices(replay(overfit=3), 3))


def test_another_data_set_is_noticed_when_a_run_is_resumed(tmp_path: Path) -> None:
    snapshot = replay().flush(tmp_path)
    replay().restore(tmp_path, snapshot)
    with pytest.raises(UsageError, match="data set has changed"):
        replay(count=11).restore(tmp_path, snapshot)
    changed = rows()
    changed.inputs[3] += 1
    with pytest.raises(UsageError, match="data set has changed"):
        DatasetBuffer(changed, Labelled(), Streams(1)).restore(tmp_path, snapshot)
    assert not list(tmp_path.iterdir())


def test_what_makes_no_sense_of_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rows"):
        replay(count=0)
    with pytest.raises(UnifiedError, match="is not saved again"):
        replay().save_as(tmp_path, "name")
    with pytest.raises(UnifiedError, match="come from its suite"):
        replay().load_saved(tmp_path)
    assert isinstance(replay().sample(), Batch)
