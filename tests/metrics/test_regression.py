"""Errors of numbers against loops, closed forms and scikit-learn, in the units of the targets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unified.metrics.regression import in_units, regression_metrics, report


def drawn(shape: tuple[int, ...] = (50, 3)) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    targets = generator.uniform(-1, 1, shape)
    return targets + generator.normal(0, 0.3, shape), targets


def test_a_loop_finds_the_same() -> None:
    answers, targets = drawn()
    judged = regression_metrics(answers, targets)
    for d in range(3):
        y, f = targets[:, d], answers[:, d]
        mean = sum(y) / len(y)
        residual = sum((a - b) ** 2 for a, b in zip(y, f, strict=True))
        assert judged.r2[d] == pytest.approx(1 - residual / sum((a - mean) ** 2 for a in y))
        assert judged.rmse[d] == pytest.approx(math.sqrt(residual / len(y)))
        assert judged.mae[d] == pytest.approx(sum(abs(a - b) for a, b in zip(y, f, strict=True)) / len(y))
    assert judged.row() == pytest.approx({"r2": judged.r2.mean(), "rmse": judged.rmse.mean(), "mae": judged.mae.mean()})


def test_bounds_bring_errors_back_to_units_and_leave_r2() -> None:
    answers, targets = drawn()
    bounds = ((0.0, -5.0, 100.0), (2.0, 5.0, 500.0))
    plain, judged = regression_metrics(answers, targets), regression_metrics(answers, targets, bounds)
    np.testing.assert_allclose(judged.r2, plain.r2)
    np.testing.assert_allclose(judged.rmse, plain.rmse * [1, 5, 200])  # half of what [-1, 1] stands for
    np.testing.assert_allclose(judged.mae, plain.mae * [1, 5, 200])
    np.testing.assert_allclose(in_units(np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]), bounds), bounds)


def test_known_answers() -> None:
    targets = np.array([1.0, 2.0, 3.0, 6.0])
    assert regression_metrics(targets, targets).row() == {"r2": 1, "rmse": 0, "mae": 0}
    assert regression_metrics(np.full(4, 3.0), targets).r2.tolist() == [0]  # the mean of the targets
    assert regression_metrics(-targets, targets).r2[0] < 0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_constant_target_has_no_share_to_explain(value: float) -> None:
    targets = np.full((7, 1), value, np.float32)
    assert regression_metrics(targets, targets).r2.tolist() == [1]
    assert regression_metrics(targets + 1e3, targets).r2.tolist() == [0]


def test_rows_of_other_shapes_are_flattened() -> None:
    answers, targets = drawn((20, 2, 3))
    np.testing.assert_allclose(
        regression_metrics(answers, targets).r2, regression_metrics(answers.reshape(20, 6), targets.reshape(20, 6)).r2
    )
    assert regression_metrics(answers[:, 0, 0], targets[:, 0, 0]).rmse.shape == (1,)


def test_the_numbers_are_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    answers, targets = drawn()
    targets[:, 2] = 0.5
    judged = regression_metrics(answers, targets)
    np.testing.assert_allclose(judged.r2, metrics.r2_score(targets, answers, multioutput="raw_values"))
    np.testing.assert_allclose(judged.rmse, metrics.root_mean_squared_error(targets, answers, multioutput="raw_values"))
    np.testing.assert_allclose(judged.mae, metrics.mean_absolute_error(targets, answers, multioutput="raw_values"))


@pytest.mark.parametrize(
    ("answers", "targets", "bounds", "message"),
    [
        (np.zeros((3, 1)), np.zeros((3, 2)), None, r"\(3, 1\) and \(3, 2\)"),
        (np.zeros(3), np.zeros((3, 1)), None, r"\(3,\) and \(3, 1\)"),  # these two would broadcast
        (np.zeros((0, 2)), np.zeros((0, 2)), None, "at least one row"),
        (np.zeros((3, 2)), np.zeros((3, 2)), ((0.0,), (1.0,)), "rows have 2"),
    ],
)
def test_what_does_not_fit_is_refused(answers: np.ndarray, targets: np.ndarray, bounds: tuple | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        regression_metrics(answers, targets, bounds)


def test_a_report_has_a_line_for_each_number() -> None:
    answers, targets = drawn()
    lines = report(regression_metrics(answers, targets), ["height", "width", "depth"])
    assert "(50 rows)" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["height", "width", "depth", "mean"]
    assert len(report(regression_metrics(answers[:, 0], targets[:, 0]))) == 2
