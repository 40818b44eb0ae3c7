"""Rates, confusion and calibration against loops, closed forms and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unified.metrics.classification import BINS, Classification, classification_metrics, expected_calibration_error, log_loss, report


def drawn(rows: int = 400, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of uneven classes, and probabilities that are right more often than not."""
    generator = np.random.default_rng(seed)
    labels = np.minimum(generator.geometric(0.4, rows) - 1, classes - 1)
    logits = generator.normal(size=(rows, classes)) + 2 * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.argmax(axis=1), probabilities


def slow(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"precision": [], "recall": [], "f1": []}
    for c in range(classes):
        tp = sum(1 for t, p in zip(labels, predictions, strict=True) if t == c and p == c)
        fp = sum(1 for t, p in zip(labels, predictions, strict=True) if t != c and p == c)
        fn = sum(1 for t, p in zip(labels, predictions, strict=True) if t == c and p != c)
        found["precision"].append(tp / (tp + fp) if tp + fp else math.nan)
        found["recall"].append(tp / (tp + fn) if tp + fn else math.nan)
        found["f1"].append(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else math.nan)
    return found


def test_a_small_case_by_hand() -> None:
    judged = classification_metrics(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 2)
    assert judged.confusion.tolist() == [[1, 1], [0, 2]]  # rows are the truth
    assert judged.support.tolist() == [2, 2]
    assert judged.precision.tolist() == pytest.approx([1, 2 / 3])
    assert judged.recall.tolist() == [0.5, 1]
    assert judged.f1.tolist() == pytest.approx([2 / 3, 0.8])
    assert (judged.accuracy, judged.balanced_accuracy) == (0.75, 0.75)
    assert (judged.log_loss, judged.calibration_error) == (None, None)


@pytest.mark.parametrize("classes", [5, 7])  # two of seven never occur
def test_rates_are_those_of_a_loop(classes: int) -> None:
    labels, predictions, _ = drawn()
    judged = classification_metrics(predictions, labels, classes)
    for name, values in slow(labels, predictions, classes).items():
        np.testing.assert_allclose(getattr(judged, name), values)
    assert judged.accuracy == np.mean(labels == predictions)
    assert judged.confusion.sum() == len(labels)


def test_a_class_without_rows_has_no_recall_and_spoils_no_mean() -> None:
    judged = classification_metrics(np.array([0, 2, 1]), np.array([0, 0, 1]), 4)
    np.testing.assert_equal(judged.recall, [0.5, 1, math.nan, math.nan])
    np.testing.assert_equal(judged.precision, [1, 1, 0, math.nan])
    np.testing.assert_allclose(judged.f1, [2 / 3, 1, 0, math.nan])
    assert judged.balanced_accuracy == 0.75
    assert all(math.isfinite(value) for value in judged.row().values())


def test_always_the_same_answer_is_chance_in_balanced_accuracy() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    judged = classification_metrics(np.zeros(100, np.int64), labels, 2)
    assert (judged.accuracy, judged.balanced_accuracy) == (0.9, 0.5)


def test_narrow_integers_do_not_overflow() -> None:
    labels = np.arange(200, dtype=np.uint8)
    assert classification_metrics(labels, labels, 200).accuracy == 1


def test_calibration_is_that_of_a_loop() -> None:
    labels, predictions, probabilities = drawn()
    confidence, right = probabilities.max(axis=1), labels == predictions
    error = 0.0
    for b in range(BINS):
        inside = [i for i, c in enumerate(confidence) if b / BINS < c <= (b + 1) / BINS]
        if inside:
            error += len(inside) / len(labels) * abs(np.mean(right[inside]) - np.mean(confidence[inside]))
    judged = classification_metrics(predictions, labels, 5, probabilities)
    assert judged.calibration_error == pytest.approx(error, abs=1e-12)
    assert judged.calibration_error > 0.01
    assert judged.log_loss == pytest.approx(np.mean([-math.log(p[t]) for p, t in zip(probabilities, labels, strict=True)]))


def test_calibration_of_known_cases() -> None:
    right = np.array([True] * 8 + [False] * 2)
    assert expected_calibration_error(np.full(10, 0.8), right) == pytest.approx(0)
    assert expected_calibration_error(np.ones(10), right) == pytest.approx(0.2)  # sure of everything, right in eight of ten
    assert expected_calibration_error(np.array([1.0, 0.5]), np.array([False, True])) == pytest.approx((1 + 0.5) / 2)  # bins do not cancel


def test_log_loss_of_known_cases() -> None:
    assert log_loss(np.full((3, 4), 0.25), np.array([0, 1, 3])) == pytest.approx(math.log(4))
    assert log_loss(np.array([[1.0, 0.0]]), np.array([0])) == 0
    assert math.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_the_numbers_are_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels, predictions, probabilities = drawn(seed=3)
    judged = classification_metrics(predictions, labels, 5, probabilities)
    np.testing.assert_array_equal(judged.confusion, metrics.confusion_matrix(labels, predictions))
    assert judged.row() == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(labels, predictions),
            "balanced_accuracy": metrics.balanced_accuracy_score(labels, predictions),
            "f1": metrics.f1_score(labels, predictions, average="macro"),
            "log_loss": metrics.log_loss(labels, probabilities),
            "calibration_error": judged.calibration_error,
        }
    )


@pytest.mark.parametrize(
    ("predictions", "labels", "probabilities", "message"),
    [
        ([], [], None, "at least one row"),
        ([0, 1], [0], None, r"\(2,\) and \(1,\)"),
        ([0.5], [0], None, "predictions are integers"),
        ([0], [3], None, "from 0 to 2"),
        ([-1], [0], None, "from 0 to 2"),
        ([0], [0], [[0.5, 0.5]], r"\(1, 3\)"),
        ([0], [0], [[4.0, -1.0, -2.0]], "softmax"),
        ([0], [0], [[1.0, 1.0, 1.0]], "softmax"),
        ([0], [0], [[math.nan, 0.0, 0.0]], "softmax"),
    ],
)
def test_what_cannot_be_judged_is_refused(predictions: list, labels: list, probabilities: list | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_metrics(np.array(predictions), np.array(labels), 3, None if probabilities is None else np.array(probabilities))


def test_a_report_names_what_was_mistaken_for_what() -> None:
    judged = Classification(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]), 0.25, 0.031)
    lines = report(judged, ["cat", "dog", "a very long name of a thing"])
    assert lines[0].startswith("accuracy 86.7%   balanced 90.0%")
    assert "log loss 0.250   calibration error 3.1%   (15 rows)" in lines[0]
    cat, dog, rest = lines[3:6]
    assert cat.split() == ["cat", "100.0%", "80.0%", "0.889", "10", "dog", "(2)"]
    assert dog.split() == ["dog", "71.4%", "100.0%", "0.833", "5"]
    assert rest.split()[-4:] == ["–", "–", "–", "0"]
    assert rest.startswith("a very long name …")
    assert [line.split()[-3:] for line in lines[-3:]] == [["8", "2", "0"], ["0", "5", "0"], ["0", "0", "0"]]


def test_a_report_of_many_classes_leaves_the_matrix_out() -> None:
    lines = report(classification_metrics(np.arange(100), np.arange(100), 100))
    assert len(lines) == 3 + 100
    assert not any("confusion" in line for line in lines)
