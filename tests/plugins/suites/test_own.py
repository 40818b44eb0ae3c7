"""Constructor arguments and test sets of people's own data sets and environments."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

import unified
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.runs.run import Run
from unified.core.trainer.build import built_suite

SOURCE = """
import gymnasium
import numpy as np
from torch.utils.data import Dataset


class Waves(Dataset):
    def __init__(self, length: int = 8, count: int = 40):
        self.rows = [(np.full(length, number % 2, np.float32), number % 2) for number in range(count)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


class Needs(Waves):
    def __init__(self, root: str, length: int = 8):
        super().__init__(length)


def pair(count: int = 30) -> tuple[Dataset, Dataset]:
    return Waves(count=count), Waves(count=10)


class Walk(gymnasium.Env):
    def __init__(self, size: int = 5):
        self.observation_space = gymnasium.spaces.Box(-1, 1, (size,))
        self.action_space = gymnasium.spaces.Discrete(2)


def make(size: int = 3) -> gymnasium.Env:
    return Walk(size)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own_suites.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(
    ("name", "words", "shape"),
    [
        ("Waves", ["suite.length=5"], (5,)),
        ("Waves", [], (8,)),
        ("Needs", ["suite.root=/data", "suite.length=6"], (6,)),
        ("Walk", ["suite.size=7", "agent=random"], (7,)),
        ("make", ["suite.size=2", "agent=random"], (2,)),
    ],
)
def test_arguments_are_options(file: Path, name: str, words: list[str], shape: tuple[int, ...]) -> None:
    suite = built_suite(compose([f"suite={file}:{name}", *words]))
    spec = suite.spec() if hasattr(suite, "spec") else suite.environment().spec
    assert spec.observation.shape == shape


def test_a_function_may_return_a_training_and_a_test_set(file: Path) -> None:
    suite = built_suite(compose([f"suite={file}:pair", "suite.count=20"]))
    assert (len(suite.rows("train")), len(suite.rows("test"))) == (20, 10)


def test_a_training_and_a_test_set_from_python(tmp_path: Path) -> None:
    train, test = (TensorDataset(torch.rand(count, 1, 16), torch.arange(count) % 2) for count in (20, 10))
    quick = {"train.updates": 3, "agent.batch_size": 4, "evaluate.every": 0, "callbacks": [], "device": "cpu", "encoder": "cnn1d"}
    for updates in (3, 6):  # it is resumed by the same call
        run = unified.train(agent="ac2", suite=(train, test), config={**quick, "train.updates": updates, "root": str(tmp_path)})
    assert run.path.relative_to(tmp_path).parts[:3] == ("default", "ac2", "TensorDataset")
    assert [event["event"] for event in run.events()].count("resume") == 1
    assert [row["updates"] for row in run.metrics() if row["kind"] == "evaluate"][-1] == 6
    suite = built_suite(run.config)
    assert (len(suite.rows("train")), len(suite.rows("test"))) == (20, 10)
    assert suite.spec().observation.shape == (16,)


@pytest.mark.parametrize("reference", ["Needs", "torchvision.datasets:SVHN"])
def test_a_missing_argument_is_named_before_the_start(file: Path, reference: str, tmp_path: Path) -> None:
    name = reference if ":" in reference else f"{file}:{reference}"
    (problem,) = Run.planned(compose([f"suite={name}"]), tmp_path).lacking()
    assert str(problem).endswith("needs root    suite.root=…")


def test_a_wrong_argument_is_answered(file: Path) -> None:
    with pytest.raises(UsageError, match=r"suite.lenght does not exist +did you mean +suite.length"):
        compose([f"suite={file}:Waves", "suite.lenght=4"])
