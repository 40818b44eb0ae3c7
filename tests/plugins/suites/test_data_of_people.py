"""Data sets as people have them: numbers that are missing, targets of every type, signals, single columns and single rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

import unified
from unified.core.base.errors import UsageError
from unified.plugins.suites.dataset.items import as_row
from unified.plugins.suites.dataset.suite import DatasetSuite
from unified.plugins.suites.splits import SplitOptions
from unified.plugins.suites.tables.suite import Iris

ROWS = np.random.default_rng(0).normal(size=(20, 4))


class Listed(Dataset[Any]):
    def __init__(self, inputs: Any, targets: Any) -> None:
        self.items = list(zip(inputs, targets, strict=True))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


def suite(inputs: Any, targets: Any, **options: Any) -> DatasetSuite:
    return DatasetSuite(Listed(inputs, targets), "", SplitOptions(**options))


def refused(inputs: Any, targets: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as error:
        suite(inputs, targets, **options).spec()
    return str(error.value)


def changed(row: int, column: int, value: float) -> np.ndarray:
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e300, "inf")])
def test_numbers_that_are_missing_are_named(value: float, shown: str) -> None:
    assert f"item 7 of Listed has {shown} in column 2" in refused(changed(7, 2, value), [0, 1] * 10)
    assert "the target of item 7 of Listed has" in refused(ROWS, changed(7, 0, value)[:, 0])
    assert "and 19 more rows" in refused(np.full((20, 4), value), [0, 1] * 10)


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        ([False, True] * 10, ("False", "True")),
        ([np.bool_(False), np.bool_(True)] * 10, ("False", "True")),
        (["a", "bc"] * 10, ("a", "bc")),
        (np.array(["a", "bc"] * 10, object), ("a", "bc")),
        ([b"a", b"bc"] * 10, ("a", "bc")),
        ([-1, -2] * 10, ("-2", "-1")),
        ([2**62, 2**62 + 1] * 10, (str(2**62), str(2**62 + 1))),
        ([np.uint64(2**63), np.uint64(2**63 + 1)] * 10, (str(2**63), str(2**63 + 1))),
    ],
)
def test_classes_of_every_type(targets: Any, classes: tuple[str, ...]) -> None:
    made = suite(ROWS, targets)
    assert made.spec().classes == classes
    assert set(made.rows("test").targets) == {0, 1}


@pytest.mark.parametrize(
    "row",
    [
        np.array([1, 2.5, True], object),
        np.array([9, 1, 9, 2.5, 9, 1.0])[1::2],
        np.array([1, 2.5, 1])[::-1],
        np.broadcast_to(np.array([1, 2.5, 1]), (3,)),
        torch.tensor([1, 2.5, 1.0], requires_grad=True),
        np.array([1, 2.5, 1], ">f8"),
    ],
    ids=["objects", "strided", "reversed", "read-only", "with a gradient", "big-endian"],
)
def test_vectors_of_every_memory(row: Any) -> None:
    found = as_row(row)
    assert (found.tolist(), found.dtype) == ([1.0, 2.5, 1.0], np.float32)


@pytest.mark.parametrize("row", [np.array([1, "a"], object), np.array([1 + 2j]), np.array(["2020-01-01"], "M8[D]"), np.array([{}], object)])
def test_what_is_no_number_is_refused(row: Any) -> None:
    assert "item 0 of Listed cannot be a row: it is of type" in refused([row] * 4, [0, 1] * 2)


@pytest.mark.parametrize("make", [np.random.default_rng(0).random, np.random.default_rng(0).standard_normal])
@pytest.mark.parametrize("shape", [(1, 800), (2, 50), (28, 28)])
@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy])
def test_signals_stay_numbers(make: Any, shape: tuple[int, ...], of: Any) -> None:
    signal = make(shape).astype(np.float32)
    np.testing.assert_array_equal(as_row(of(signal)), signal.ravel())


@pytest.mark.parametrize("picture", [np.ones((1, 800), np.uint8), np.ones((9, 9), bool), np.ones((1, 9, 9), np.float32)])
def test_bytes_and_three_axes_are_pictures(picture: Any) -> None:
    found = as_row(picture)
    assert (found.ndim, found.dtype) == (3, np.uint8)


@pytest.mark.parametrize(
    ("inputs", "targets", "says"),
    [
        (ROWS[:1], [0], "1 rows with suite.test=0.2 leave no test rows    suite.test=0.2, or more rows"),
        (ROWS[:2], [0, 1], "2 rows with suite.test=0.2 leave no test rows"),
        (np.zeros((4, 0)), [0, 1] * 2, "item 0 of Listed has the shape (0,): there is nothing to learn from"),
    ],
)
def test_too_little_is_told_at_the_start(inputs: Any, targets: Any, says: str) -> None:
    assert says in refused(inputs, targets)


def test_a_test_set_without_rows_is_told_at_the_start() -> None:
    with pytest.raises(UsageError, match=r"150 rows with suite.test=0.0005 leave no test rows"):
        Iris("", SplitOptions(test=0.0005)).spec()
    assert "5 rows with suite.folds=9 leave no test rows" in refused(ROWS[:5], [0] * 5, fold=8, folds=9)


def test_more_items_than_memory() -> None:
    class Endless(Listed):
        def __len__(self) -> int:
            return 2**62

    with pytest.raises(UsageError, match="they do not fit in memory"):
        DatasetSuite(Endless(ROWS, [0] * 20), "", SplitOptions()).spec()


def test_classes_that_cannot_be_learned_are_told() -> None:
    assert suite(ROWS, [0] * 20).notes() == ["all items of Listed have the class '0'"]
    (note,) = suite(ROWS, range(20)).notes()
    assert note.startswith("4 classes of Listed have no training row")
    assert suite(ROWS, [0, 1] * 10).notes() == []


LINE = torch.linspace(-1, 1, 64)[:, None]
NUMBERS, CLASSES = TensorDataset(LINE, 2 * LINE), TensorDataset(LINE, (LINE[:, 0] > 0).long())


@pytest.mark.parametrize(("data", "agent"), [(NUMBERS, "ac2"), (NUMBERS, "sac"), (CLASSES, "ac2"), (CLASSES, "dqn"), (CLASSES, "ppo")])
def test_one_column_is_enough(data: Any, agent: str, tmp_path: Path) -> None:
    few = {"agent.n_steps": 16, "train.num_envs": 1} if agent == "ppo" else {}
    config = {"root": str(tmp_path), "callbacks": [], "device": "cpu", "train.frames": 64, "evaluate.every": 0, "evaluate.episodes": 1}
    run = unified.train(agent=agent, suite=data, config=config | few)
    assert run.metrics()[-1]["kind"] == "evaluate"
