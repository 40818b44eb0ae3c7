"""Rows, their split and statistics, their views, and rows as episodes of one step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.core.base.errors import UsageError
from unified.core.base.spec import Space, Spec
from unified.core.envs import dataset
from unified.core.envs.dataset import DataSuite, OneStep, Rows, extent, rewards, split, statistics, to_unit
from unified.core.envs.suite import Environment

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 2, 3, 4)).astype(np.uint8)
VECTORS = np.random.default_rng(1).normal(3, 5, (7, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2, 2])


class Toy(DataSuite):
    """Rows that were handed over."""

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, task_type: str = "auto", conditional: bool = False) -> None:
        super().__init__("", SimpleNamespace(task_type=task_type, conditional=conditional))
        self.all = Rows(inputs, targets)

    def native(self) -> Spec:
        inputs, targets = self.all.inputs, self.all.targets
        observation = Space(inputs.shape[1:], str(inputs.dtype), 0, 255) if inputs.ndim == 4 else Space(inputs.shape[1:], "float32")
        mean, std = statistics(inputs)
        if targets.ndim == 1:
            return Spec(observation, Space((), "int64", 0, 2, 3), task_type="classify", mean=mean, std=std, classes=("a", "b", "c"))
        if not targets.shape[1]:
            return Spec(observation, Space((0,), "float32", -1.0, 1.0), task_type="generate", mean=mean, std=std)
        return Spec(observation, Space((1,), "float32", -1.0, 1.0), task_type="regress", mean=mean, std=std, target_range=((5.0,), (9.0,)))

    def data(self, split: dataset.Split) -> Rows:
        return self.all


# The split ----------------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.floats(0.05, 0.95), st.integers(0, 5))
def test_every_class_has_its_share(labels: list[int], share: float, seed: int) -> None:
    classes = np.array(labels)
    try:
        train, test = split(len(classes), classes, share, seed)
    except UsageError:
        assert min(share, 1 - share) * len(classes) <= 0.5  # one side would have no rows
        return
    assert sorted([*train, *test]) == list(range(len(classes)))
    assert abs(len(test) - share * len(classes)) <= 1
    for label in set(labels):
        assert abs((classes[test] == label).sum() - share * (classes == label).sum()) <= 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 5))
def test_each_row_is_in_one_fold(labels: list[int], folds: int, seed: int) -> None:
    classes = np.array(labels)
    sides = [split(len(classes), classes, 0.2, seed, fold, folds) for fold in range(folds)]
    assert sorted(np.concatenate([test for _, test in sides])) == list(range(len(classes)))
    for train, test in sides:
        assert sorted([*train, *test]) == list(range(len(classes)))
        assert len(test) in (len(classes) // folds, len(classes) // folds + 1)
        for label in set(labels):
            assert abs((classes[test] == label).sum() - (classes == label).sum() / folds) < 1


def test_the_split_is_a_function_of_its_seed() -> None:
    one, again, other = (split(50, None, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[1], again[1])
    assert one[1].tolist() != other[1].tolist()
    assert len(one[1]) == 10
    np.testing.assert_array_equal(one[0], np.sort(one[0]))


# Statistics ---------------------------------------------------------------------------------------------------------------------


def test_statistics_of_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = PICTURES.astype(np.float64) / 255
    for chunk in (2**24, 50, 1):
        monkeypatch.setattr(dataset, "_CHUNK", chunk)
        mean, std = statistics(PICTURES)
        np.testing.assert_allclose(mean, expected.mean((0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(std, expected.std((0, 2, 3)), rtol=1e-12)


def test_statistics_of_vectors_and_of_what_never_changes() -> None:
    mean, std = statistics(np.concatenate([VECTORS, np.full((7, 1), 4, np.float32)], 1))
    np.testing.assert_allclose(mean, [*VECTORS.mean(0, dtype=np.float64), 4.0])
    np.testing.assert_allclose(std, [*VECTORS.std(0, dtype=np.float64), 1.0])
    assert statistics(np.zeros((3, 1, 2, 2), np.uint8)) == ((0.0,), (1.0,))


def test_numbers_are_scaled_to_the_unit_and_a_constant_to_zero() -> None:
    numbers = np.array([[1.0, 7.0], [3.0, 7.0], [2.0, 7.0]])
    assert extent(numbers) == ((1.0, 7.0), (3.0, 7.0))
    assert to_unit(numbers, extent(numbers)).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert to_unit(np.array([[5.0, 7.0]]), extent(numbers)).tolist() == [[3.0, 0.0]]  # a test row may lie outside


def test_rows_have_equal_lengths() -> None:
    with pytest.raises(ValueError, match="7 inputs and 6 targets"):
        Rows(PICTURES, LABELS[:6])


# Views --------------------------------------------------------------------------------------------------------------------------


def test_a_picture_is_generated_as_bytes() -> None:
    suite = Toy(PICTURES, LABELS, "generate")
    spec, rows = suite.spec(), suite.rows("test")
    assert (spec.task_type, spec.observation.shape, spec.action) == ("generate", (0,), Space((2, 3, 4), "uint8", 0, 255))
    assert (spec.mean, spec.target_range) == ((), None)
    assert rows.inputs.shape == (7, 0)
    assert rows.targets is PICTURES


def test_a_vector_is_generated_within_the_unit() -> None:
    suite = Toy(VECTORS, LABELS, "generate")
    spec, rows = suite.spec(), suite.rows("train")
    assert spec.action == Space((3,), "float32", -1.0, 1.0)
    assert spec.target_range == extent(VECTORS)
    np.testing.assert_allclose(rows.targets.min(0), -1, atol=1e-6)
    np.testing.assert_allclose(rows.targets.max(0), 1, atol=1e-6)


def test_rows_without_targets_are_generated() -> None:
    suite = Toy(PICTURES, np.zeros((7, 0), np.float32))
    assert suite.spec().task_type == "generate"
    assert suite.rows("train").targets is PICTURES


def test_a_picture_is_generated_for_its_class() -> None:
    suite = Toy(PICTURES, LABELS, "generate", conditional=True)
    spec, rows = suite.spec(), suite.rows("test")
    assert spec.observation == Space((3,), "float32", 0.0, 1.0)
    assert (spec.task_type, spec.action, spec.classes) == ("generate", Space((2, 3, 4), "uint8", 0, 255), ("a", "b", "c"))
    assert rows.inputs.dtype == np.float32
    np.testing.assert_array_equal(rows.inputs, [[float(label == k) for k in range(3)] for label in LABELS])
    assert rows.targets is PICTURES
    np.testing.assert_array_equal(suite.environment().reset(5).sum(), 1.0)


def test_a_vector_is_generated_for_its_numbers() -> None:
    targets = np.linspace(-1, 1, 7, dtype=np.float32)[:, None]
    suite = Toy(VECTORS, targets, "generate", conditional=True)
    assert suite.spec().observation == Space((1,), "float32", -1.0, 1.0)
    assert suite.spec().classes == ()
    np.testing.assert_array_equal(suite.rows("train").inputs, targets)


@pytest.mark.parametrize(
    ("targets", "task_type", "says"),
    [
        (LABELS, "auto", "nothing is generated here"),
        (LABELS, "classify", "nothing is generated here"),
        (VECTORS[:, :0], "generate", "this data set has no targets to make anything for"),
    ],
)
def test_what_cannot_be_made_for_something(targets: np.ndarray, task_type: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"suite.conditional=true: {says}"):
        Toy(VECTORS, targets, task_type, conditional=True).spec()


@pytest.mark.parametrize(
    ("targets", "task_type", "says"),
    [
        (LABELS, "regress", "suite.task_type=regress: this data set has classes    suite.task_type=classify or suite.task_type=generate"),
        (
            VECTORS[:, :1],
            "classify",
            "suite.task_type=classify: this data set has numbers    suite.task_type=regress or suite.task_type=generate",
        ),
        (VECTORS[:, :0], "classify", "suite.task_type=classify: this data set has no targets    suite.task_type=generate"),
    ],
)
def test_a_view_that_there_is_not(targets: np.ndarray, task_type: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        Toy(VECTORS, targets, task_type).spec()
    assert str(refused.value) == says


# One step -----------------------------------------------------------------------------------------------------------------------


def play(environment: Environment, answer: Any) -> list[tuple[np.ndarray, float]]:
    played = []
    for seed in range(20):
        observation = environment.reset(seed)
        step = environment.step(answer(observation))
        assert (step.terminated, step.truncated) == (True, False)
        np.testing.assert_array_equal(step.observation, observation)
        played.append((observation, step.reward))
    return played


def test_an_answer_is_right_or_wrong() -> None:
    environment = Toy(PICTURES, LABELS).environment()
    assert (environment.spec.episode_frames, environment.spec.reward_range) == (1, (0.0, 1.0))
    true = {picture.tobytes(): label for picture, label in zip(PICTURES, LABELS, strict=True)}
    right = play(environment, lambda seen: true[seen.tobytes()])
    assert {reward for _, reward in right} == {1.0}
    assert len({seen.tobytes() for seen, _ in right}) > 3
    assert {reward for _, reward in play(environment, lambda seen: (true[seen.tobytes()] + 1) % 3)} == {0.0}
    right[0][0][:] = 0  # what was seen is the agent's own
    np.testing.assert_array_equal(environment.reset(0), play(environment, lambda seen: 0)[0][0])


def test_numbers_cost_their_squared_error() -> None:
    targets = np.linspace(-1, 1, 7, dtype=np.float32)[:, None]
    environment = Toy(VECTORS, targets).environment()
    true = {vector.tobytes(): target for vector, target in zip(VECTORS, targets, strict=True)}
    played = play(environment, lambda seen: true[seen.tobytes()] + np.float32(0.5))
    np.testing.assert_allclose([reward for _, reward in played], -0.25, rtol=1e-5)


def test_pictures_are_answered_within_the_unit() -> None:
    environment = Toy(PICTURES, LABELS, "generate").environment()
    assert environment.spec.action == Space((2, 3, 4), "float32", -1.0, 1.0)
    scaled = PICTURES.astype(np.float64) / 127.5 - 1
    played = play(environment, lambda seen: scaled[0].astype(np.float32))
    expected = {round(float(-((scaled[0] - each) ** 2).mean()), 5) for each in scaled}
    assert {round(reward, 5) for _, reward in played} <= expected
    assert 0.0 in {abs(round(reward, 5)) for _, reward in played}


def test_rewards_are_the_same_for_tensors() -> None:
    pictures = Toy(PICTURES, LABELS, "generate").spec()
    answers = np.random.default_rng(2).uniform(-1, 1, PICTURES.shape).astype(np.float32)
    one = rewards(pictures, answers, PICTURES)
    other = rewards(pictures, torch.from_numpy(answers), torch.from_numpy(PICTURES))
    np.testing.assert_allclose(one, other.numpy(), rtol=1e-5)
    labels = Toy(PICTURES, LABELS).spec()
    assert rewards(labels, torch.zeros(7), torch.from_numpy(LABELS)).tolist() == rewards(labels, np.zeros(7), LABELS).tolist()
    assert isinstance(Toy(PICTURES, LABELS).environment(), OneStep)
