"""Data sets of torch that are handed over as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from unified.core.base.errors import UsageError
from unified.core.components import import_paths
from unified.core.components.user_code import adopt, kind_of
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.dataset import component
from unified.plugins.suites.dataset.items import as_row
from unified.plugins.suites.dataset.suite import DatasetSuite, NamedDataset
from unified.plugins.suites.splits import SplitOptions

PICTURES = np.random.default_rng(0).integers(0, 256, (10, 5, 6, 3)).astype(np.uint8)
VECTORS = np.random.default_rng(1).normal(2, 3, (20, 4)).astype(np.float32)

FILE = '''
"""Data."""
import torch
from torch.utils.data import Dataset, TensorDataset


class Points(Dataset):
    """Left or right."""

    def __init__(self, count=20):
        self.points = torch.linspace(-1, 1, int(count))

    def __len__(self):
        return len(self.points)

    def __getitem__(self, number):
        return self.points[number : number + 1], int(self.points[number] > 0)


def made() -> TensorDataset:
    return TensorDataset(torch.arange(30.0)[:, None], torch.arange(30) % 3)


ready = TensorDataset(torch.arange(12.0)[:, None], torch.arange(12.0))
'''


class Listed(Dataset[Any]):
    """Items of a list."""

    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self.items = items
        vars(self).update(attributes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


def suite(thing: Any, task: str = "", **options: Any) -> DatasetSuite:
    return DatasetSuite(thing, task, SplitOptions(**options))


def whole(made: DatasetSuite) -> tuple[np.ndarray, np.ndarray]:
    """All rows, in the order of their inputs."""
    sides = [made.rows("train"), made.rows("test")]
    inputs, targets = (np.concatenate([getattr(rows, name) for rows in sides]) for name in ("inputs", "targets"))
    order = sorted(range(len(inputs)), key=lambda row: inputs[row].tobytes())
    return inputs[order], targets[order]


# Items --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "give",
    [
        Image.fromarray,
        lambda picture: picture,
        lambda picture: torch.from_numpy(picture).permute(2, 0, 1),
        lambda picture: torch.from_numpy(picture).permute(2, 0, 1).float() / 255,
        lambda picture: picture.transpose(2, 0, 1).astype(np.float64) / 255,
    ],
)
def test_pictures_of_every_make(give: Any) -> None:
    made = suite(Listed([(give(picture), n % 2) for n, picture in enumerate(PICTURES)]))
    assert made.spec().observation.shape == (3, 5, 6)
    inputs, targets = whole(made)
    order = sorted(range(10), key=lambda row: PICTURES[row].transpose(2, 0, 1).tobytes())
    np.testing.assert_array_equal(inputs, PICTURES.transpose(0, 3, 1, 2)[order])
    assert targets.tolist() == [row % 2 for row in order]
    assert (len(made.rows("test")), made.rows("test").targets.sum()) == (2, 1)


def test_rows_of_other_makes() -> None:
    assert as_row(Image.fromarray(PICTURES[0]).convert("L")).shape == (1, 5, 6)
    assert as_row(PICTURES[0, :, :, 0]).shape == (1, 5, 6)
    assert as_row(torch.rand(5, 6) > 0.5).max() == 255
    assert as_row(3).tolist() == [3.0]
    assert as_row([1, 2.5]).tolist() == [1.0, 2.5]
    assert as_row(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert as_row(np.ones((3, 3, 3), np.uint8)).shape == (3, 3, 3)


def test_numbers_are_predicted() -> None:
    made = suite(TensorDataset(torch.from_numpy(VECTORS), torch.from_numpy(VECTORS[:, :2]) * 10))
    spec, rows = made.spec(), made.rows("train")
    assert (spec.task_type, spec.action.shape, rows.targets.dtype) == ("regress", (2,), np.float32)
    assert spec.target_range is not None
    low, high = map(np.array, spec.target_range)
    for side in ("train", "test"):
        rows = made.rows(side)  # type: ignore[arg-type]
        np.testing.assert_allclose((rows.targets + 1) / 2 * (high - low) + low, rows.inputs[:, :2] * 10, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(spec.mean, made.rows("train").inputs.mean(0), rtol=1e-5)
    one = suite(Listed([(row, float(row[0])) for row in VECTORS]))
    assert one.spec().action.shape == (1,)


@pytest.mark.parametrize(
    ("targets", "names", "classes", "numbered"),
    [
        ([4, 7] * 10, None, ("4", "7"), [0, 1] * 10),
        ([0, 2] * 10, ["a", "b", "c"], ("a", "b", "c"), [0, 2] * 10),
        ([4, 7] * 10, ["a", "b"], ("4", "7"), [0, 1] * 10),
        (["no", "yes"] * 10, None, ("no", "yes"), [0, 1] * 10),
        ([False, True] * 10, None, ("False", "True"), [0, 1] * 10),
        ([torch.tensor([5]), torch.tensor([3])] * 10, None, ("3", "5"), [1, 0] * 10),
        ([np.int32(1), np.int32(0)] * 10, None, ("0", "1"), [1, 0] * 10),
    ],
)
def test_classes_of_every_make(targets: list[Any], names: Any, classes: tuple[str, ...], numbered: list[int]) -> None:
    rows = [np.array([n], np.float32) for n in range(20)]
    made = suite(Listed(list(zip(rows, targets, strict=True)), **({"classes": names} if names else {})))
    assert made.spec().classes == classes
    inputs, found = whole(made)
    assert dict(zip(inputs[:, 0].tolist(), found.tolist(), strict=True)) == dict(enumerate(numbered))


def test_whole_numbers_are_predicted_where_that_is_said() -> None:
    data = TensorDataset(torch.from_numpy(VECTORS), torch.arange(20))
    assert suite(data).spec().action.n == 20
    assert suite(data, task_type="regress").spec().action.n is None


def test_items_without_targets_are_generated() -> None:
    for items in (list(PICTURES), [(picture,) for picture in PICTURES]):
        made = suite(Listed(items))
        assert (made.spec().task_type, made.spec().action.shape) == ("generate", (3, 5, 6))
        assert made.rows("train").targets.shape == (8, 3, 5, 6)


def test_folds() -> None:
    data = Listed([(row, n % 2) for n, row in enumerate(VECTORS)])
    tests = [suite(data, fold=fold, folds=4).rows("test") for fold in range(4)]
    assert sorted(float(row[0]) for rows in tests for row in rows.inputs) == sorted(VECTORS[:, 0].tolist())
    assert all(rows.targets.tolist().count(1) in (2, 3) for rows in tests)


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        while True:
            yield 0


class Broken(Listed):
    def __getitem__(self, number: int) -> Any:
        return 1 / (3 - number), 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Endless(), "Endless has no length"),
        (Listed([]), "Listed is empty"),
        (Listed([(VECTORS[0], 0)]), "1 rows with suite.test=0.2 leave no test rows"),
        (Broken([0] * 5), "item 3 of Broken cannot be read: ZeroDivisionError"),
        (Listed([(VECTORS[0], 0), (VECTORS[0, :2], 0)]), "item 1 of Listed is float32 (2,), item 0 is float32 (4,)"),
        (Listed([{"image": 0, "label": 1}]), "item 0 of Listed is a dict of 2    expected input, or (input, target)"),
        (Listed([(torch.randn(3, 4, 4), 0)]), "remove Normalize"),
        (Listed([(np.zeros((2, 2, 2, 2), np.uint8), 0)]), "its shape is (2, 2, 2, 2)"),
        (Listed([("text", 0)]), "item 0 of Listed cannot be a row"),
        (Listed([(VECTORS[0], [0, 1])] * 3), "the targets of Listed are int64 of shape (2,)"),
        (Listed([(VECTORS[0], 0), (VECTORS[0], [0, 1])]), "several shapes"),
        (Listed([(VECTORS[0], 0), VECTORS[0]]), "several shapes"),
    ],
)
def test_what_cannot_be_rows(data: Any, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        suite(data).spec()
    assert says in str(refused.value)


def test_random_items_are_told() -> None:
    class Random(Listed):
        def __getitem__(self, number: int) -> Any:
            return torch.rand(3), number % 2

    assert "is read again: rows are read once" in suite(Random([0] * 10)).notes()[0]
    assert suite(Listed([(row, n % 2) for n, row in enumerate(VECTORS)])).notes() == []


# As suites ----------------------------------------------------------------------------------------------------------------------


def test_an_object_is_a_suite_of_this_process() -> None:
    data = TensorDataset(torch.from_numpy(VECTORS), torch.arange(20) % 2)
    adopted = adopt("suites", data, "object:TensorDataset-1", "TensorDataset", [component])
    assert kind_of(data, [component]) == "suites"
    made = adopted.load()("", adopted.options_model()(test=0.5))
    assert isinstance(made, DatasetSuite)
    assert len(made.rows("test")) == 10
    with WorkerVectorEnv(made, 2, seed=1) as vector:
        assert vector.reset().shape == (2, 4)
    with pytest.raises(UsageError, match="cannot live in another process"):
        WorkerVectorEnv(made, 1, seed=1, placement="process")


@pytest.mark.parametrize(("text", "count"), [("Points", 20), ("Points:40", 40), ("made", 30), ("ready", 12)])
def test_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, count: int) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    name, task = import_paths.split_task(f"./mine.py:{text}")
    adopted = import_paths.component("suites", name, [component])
    assert import_paths.guess(name, [component]).kind == "suites"
    options = adopted.options_model()().model_dump(mode="json")
    monkeypatch.chdir("/")
    made: Any = SuiteReference(adopted.target, task, options, adopted.config, adopted.adapter).build()  # type: ignore[attr-defined]
    assert len(made.rows("train")) + len(made.rows("test")) == count
    assert made.environment().reset(1).shape == (1,)


def test_by_the_suites_own_name() -> None:
    options = SplitOptions()
    with pytest.raises(UsageError, match=r"names no data set.*--suite ./file.py:Name"):
        NamedDataset("digits", options)
    with pytest.raises(UsageError, match=r"makes Linear, which is not a torch.utils.data.Dataset"):
        suite(lambda: torch.nn.Linear(1, 1)).native()
    assert issubclass(component.load(), NamedDataset)


def test_a_function_that_makes_none_is_refused() -> None:
    def three() -> int:
        return 3

    with pytest.raises(UsageError, match=r"returns int, which is neither an environment nor a data set.*torch.utils.data.Dataset"):
        adopt("suites", three, "object:three-1", "three", [component])
