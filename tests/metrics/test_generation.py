"""Distances between sets against closed forms and double loops, and what each of them sees and does not see."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from unified.metrics import generation
from unified.metrics.generation import (
    frechet_distance,
    generation_metrics,
    kernel_distance,
    nearest_neighbour_accuracy,
    neighbourhood,
    report,
)

METRICS = ("frechet", "kernel", "one_nn", "precision", "recall", "density", "coverage")


def normal(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width))


def with_moments(mean: np.ndarray, covariance: np.ndarray, rows: int = 50, seed: int = 0) -> np.ndarray:
    """Rows of exactly this mean and covariance."""
    drawn = normal(rows, len(mean), seed)
    drawn -= drawn.mean(axis=0)
    white = drawn @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(drawn, rowvar=False)))).T
    return white @ np.linalg.cholesky(covariance).T + mean


# Fréchet distance ---------------------------------------------------------------------------------------------------------------


def test_frechet_of_gaussians_on_a_line() -> None:
    a, b = with_moments(np.array([1.0]), np.array([[4.0]])), with_moments(np.array([4.0]), np.array([[25.0]]), 70, 1)
    assert frechet_distance(a, b) == pytest.approx(3**2 + (5 - 2) ** 2)


def test_frechet_of_independent_features() -> None:
    sd_a, sd_b, mean = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5]), np.array([0.0, 1.0, -2.0])
    a, b = with_moments(np.zeros(3), np.diag(sd_a**2)), with_moments(mean, np.diag(sd_b**2), 60, 1)
    assert frechet_distance(a, b) == pytest.approx((mean**2).sum() + ((sd_a - sd_b) ** 2).sum())


def test_frechet_of_correlated_features_by_eigenvalues() -> None:
    a, b = normal(40, 6) @ normal(6, 6, 2), normal(90, 6, 1) @ normal(6, 6, 3) + 1
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0)).sum()
    slow = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(slow)
    assert frechet_distance(b, a) == pytest.approx(slow)


@pytest.mark.parametrize(("rows", "width"), [(100, 5), (5, 100), (2, 3)])
def test_frechet_of_a_set_and_itself_is_zero_also_with_fewer_rows_than_features(rows: int, width: int) -> None:
    drawn = normal(rows, width).astype(np.float32) * 1e3
    assert frechet_distance(drawn, drawn) == pytest.approx(0, abs=1e-12 * float((drawn**2).sum()))


def test_frechet_with_fewer_rows_than_features_by_pairs_of_rows() -> None:
    """Two rows vary along one line: the cross term is |u·v| of the lines, whatever the width."""
    a, b = normal(2, 500), normal(2, 500, 1)
    u, v = ((x[0] - x[1]) / math.sqrt(2) for x in (a, b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + u @ u + v @ v - 2 * abs(u @ v)
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_stays_when_both_are_turned_and_moved_and_grows_with_the_square_of_the_scale() -> None:
    a, b = normal(60, 4), 2 * normal(50, 4, 1) + 1
    turn, _ = np.linalg.qr(normal(4, 4, 2))
    assert frechet_distance(a @ turn + 7, b @ turn + 7) == pytest.approx(frechet_distance(a, b))
    assert frechet_distance(10 * a, 10 * b) == pytest.approx(100 * frechet_distance(a, b))


def test_frechet_of_constant_rows() -> None:
    a = with_moments(np.zeros(2), np.diag([4.0, 9.0]))
    assert frechet_distance(a, np.zeros((10, 2))) == pytest.approx(13)
    assert frechet_distance(np.ones((5, 2)), np.zeros((10, 2))) == pytest.approx(2)


# Kernel distance ----------------------------------------------------------------------------------------------------------------


def test_kernel_distance_is_that_of_a_double_loop() -> None:
    x, y = normal(12, 3), normal(9, 3, 1) + 0.5

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [(a[i] @ b[j] / 3 + 1) ** 3 for i in range(len(a)) for j in range(len(b)) if not (same and i == j)]
        return sum(pairs) / len(pairs)

    assert kernel_distance(x, y) == pytest.approx(mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y))


def test_kernel_distance_is_unbiased() -> None:
    """Zero on average for equal distributions, with few rows and with both signs."""
    found = [kernel_distance(normal(8, 2, 2 * seed), normal(8, 2, 2 * seed + 1)) for seed in range(800)]
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(len(found))
    assert min(found) < 0 < max(found)
    assert np.mean([kernel_distance(normal(8, 2, 2 * seed), normal(8, 2, 2 * seed + 1) + 1) for seed in range(200)]) > 1


# Neighbours ---------------------------------------------------------------------------------------------------------------------


def slow_neighbourhood(real: np.ndarray, generated: np.ndarray, k: int, k_density: int) -> tuple[float, ...]:
    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return math.sqrt(((a - b) ** 2).sum())

    def reach(rows: np.ndarray, i: int, k: int) -> float:
        return sorted(distance(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]

    both, side = np.concatenate([real, generated]), [0] * len(real) + [1] * len(generated)
    told = 0
    for i in range(len(both)):
        nearest = min((j for j in range(len(both)) if j != i), key=lambda j: distance(both[i], both[j]))
        told += side[nearest] == side[i]
    precision = np.mean([any(distance(x, y) <= reach(real, i, k) for i, x in enumerate(real)) for y in generated])
    recall = np.mean([any(distance(x, y) <= reach(generated, j, k) for j, y in enumerate(generated)) for x in real])
    density = sum(distance(x, y) < reach(real, i, k_density) for i, x in enumerate(real) for y in generated) / (k_density * len(generated))
    coverage = np.mean([any(distance(x, y) < reach(real, i, k_density) for y in generated) for i, x in enumerate(real)])
    return told / len(both), float(precision), float(recall), float(density), float(coverage)


@pytest.mark.parametrize(("rows", "made", "width", "block"), [(30, 30, 2, 2**23), (25, 40, 3, 7), (40, 11, 5, 100)])
def test_neighbours_are_those_of_a_double_loop(rows: int, made: int, width: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "_BLOCK", block)
    real, generated = normal(rows, width), 0.7 * normal(made, width, 1) + 0.3
    found = neighbourhood(real, generated, 3, 5)
    expected = slow_neighbourhood(real, generated, 3, 5)
    assert (found.one_nn, found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected)
    assert 0 < found.recall < 1
    assert 0 < found.precision < 1


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_a_set_and_itself(offset: float) -> None:
    drawn = normal(300, 16).astype(np.float32) + np.float32(offset)
    found = neighbourhood(drawn, drawn.copy())
    assert (found.one_nn, found.precision, found.recall, found.density, found.coverage) == (0, 1, 1, 1, 1)


def test_sets_that_are_apart() -> None:
    found = neighbourhood(normal(60, 4), normal(60, 4, 1) + 100)
    assert (found.one_nn, found.precision, found.recall, found.density, found.coverage) == (1, 0, 0, 0, 0)


def test_what_is_equally_near_counts_half_whatever_the_order() -> None:
    real, generated = np.array([[0.0], [0.0], [9.0], [9.0]]), np.array([[0.0], [0.0], [9.0], [9.0]])
    assert neighbourhood(real, generated).one_nn == 0.5
    assert neighbourhood(real[::-1], generated).one_nn == 0.5


def test_a_generator_that_knows_one_mode_is_precise_and_does_not_recall() -> None:
    real = np.concatenate([normal(100, 2), normal(100, 2, 1) + 20])
    found = neighbourhood(real, normal(200, 2, 2))
    assert found.precision > 0.9
    assert 0.3 < found.recall < 0.52
    assert 0.3 < found.coverage < 0.52
    assert found.density > 0.9


def test_a_generator_that_always_makes_the_same_covers_nothing() -> None:
    found = neighbourhood(normal(100, 2), np.zeros((100, 2)))
    assert (found.precision, found.recall) == (1, 0)
    assert found.coverage < 0.2
    assert found.one_nn > 0.9  # the copies know each other; hardly a real row is nearest to one


def test_one_outlier_spoils_precision_and_not_density() -> None:
    real = np.concatenate([normal(100, 2), [[30.0, 30.0]]])
    found = neighbourhood(real, np.random.default_rng(5).uniform(10, 30, (100, 2)))
    assert found.precision > 0.5
    assert found.density < 0.25


def test_neighbours_stay_when_both_are_turned_moved_and_scaled() -> None:
    a, b = normal(60, 4), 1.5 * normal(50, 4, 1)
    turn, _ = np.linalg.qr(normal(4, 4, 2))
    assert neighbourhood(5 * a @ turn + 7, 5 * b @ turn + 7) == neighbourhood(a, b)
    assert neighbourhood(a[::-1], b[::-1]) == neighbourhood(a, b)


def test_fewer_rows_than_neighbours() -> None:
    found = neighbourhood(np.array([[0.0], [1.0]]), np.array([[0.5], [0.6], [9.0]]))
    assert found.precision == pytest.approx(2 / 3)
    assert found.density == pytest.approx(4 / 3)
    assert found.coverage == 1


# Learned from what was made -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [2**23, 7])
def test_the_nearest_neighbour_answers_as_in_a_double_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "_BLOCK", block)
    known, asked = normal(20, 3), normal(31, 3, 1)
    classes, truth = np.arange(20) % 4, np.arange(31) % 4
    right = 0
    for row, label in zip(asked, truth, strict=True):
        right += classes[min(range(20), key=lambda i: ((known[i] - row) ** 2).sum())] == label
    assert 0 < right < 31
    assert nearest_neighbour_accuracy(known, classes, asked, truth) == right / 31


def test_of_two_equally_near_the_first_answers() -> None:
    known, classes = np.array([[1.0], [-1.0], [9.0]]), np.array([4, 5, 6])
    assert nearest_neighbour_accuracy(known, classes, np.array([[0.0], [9.0]]), np.array([4, 6])) == 1.0


def test_what_was_made_for_a_class_is_learned_from_and_asked_about_real_rows() -> None:
    classes = np.arange(90) % 3
    train, test, made = (normal(90, 2, seed) * 0.3 + 5 * classes[:, None] for seed in range(3))
    of_all = (classes, classes, classes)
    row = generation_metrics(train, test, made, classes=of_all)
    assert (row["train_on_generated"], row["train_on_generated_floor"]) == (1.0, 1.0)
    shifted = generation_metrics(train, test, made, classes=(classes, classes, (classes + 1) % 3))
    assert (shifted["train_on_generated"], shifted["train_on_generated_floor"]) == (0.0, 1.0)
    one_mode = generation_metrics(train, test, np.repeat(made[:1], 90, axis=0), classes=of_all)
    assert one_mode["train_on_generated"] == pytest.approx(1 / 3)
    assert {name for name in row if name.startswith("train_on")} == {"train_on_generated", "train_on_generated_floor"}
    assert {name: row[name] for name in METRICS} == {name: generation_metrics(train, test, made)[name] for name in METRICS}


def test_classes_are_drawn_with_their_rows() -> None:
    classes = np.arange(200) % 2
    train, test = normal(200, 2) * 0.1 + 4 * classes[:, None], normal(60, 2, 1) * 0.1 + 4 * classes[:60, None]
    row = generation_metrics(train, test, train, classes=(classes, classes[:60], classes))
    assert (row["samples"], row["train_on_generated"], row["train_on_generated_floor"]) == (60, 1.0, 1.0)


# All together -------------------------------------------------------------------------------------------------------------------


def test_every_metric_has_its_floor_at_the_same_number_of_rows() -> None:
    train, test, made = normal(500, 8), normal(200, 8, 1), normal(300, 8, 2)
    row = generation_metrics(train, test, made)
    assert set(row) == {*METRICS, *(f"{name}_floor" for name in METRICS), "samples"}
    assert row["samples"] == 200
    assert all(isinstance(value, float | int) and math.isfinite(value) for value in row.values())
    for name in METRICS:  # the same distribution: as good as training rows are
        assert row[name] == pytest.approx(row[f"{name}_floor"], abs=0.4 if name == "frechet" else 0.12), name
    assert generation_metrics(train, test, made) == row
    assert generation_metrics(train, test, made, seed=1) != row


def test_training_rows_as_generated_ones_reach_the_floor_exactly() -> None:
    train, test = normal(100, 4), normal(100, 4, 1)
    row = generation_metrics(train, test, train)
    for name in METRICS:
        assert row[name] == row[f"{name}_floor"], name


def test_worse_rows_are_worse_in_every_metric() -> None:
    row = generation_metrics(normal(200, 4), normal(200, 4, 1), 1.3 * normal(200, 4, 2) + 1)
    for name in METRICS:
        sign = 1 if name in ("frechet", "kernel", "one_nn") else -1
        assert sign * row[name] > sign * row[f"{name}_floor"], name


def test_features_of_any_shape_and_type() -> None:
    rows = [(50 * normal(40, 12, seed) + 128).clip(0, 255).astype(np.uint8).reshape(40, 3, 2, 2) for seed in range(3)]
    row = generation_metrics(*rows)
    assert row["frechet"] == pytest.approx(frechet_distance(rows[1].reshape(40, 12), rows[2].reshape(40, 12)))


def test_a_report_has_the_floor_beside_each_metric() -> None:
    row = generation_metrics(normal(50, 4), normal(50, 4, 1), normal(50, 4, 2))
    lines = report(row)
    assert "eps" in lines[0]
    assert "(50 rows" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == list(METRICS)
    assert float(lines[1].split()[1]) == pytest.approx(row["frechet"], rel=1e-3)
    assert report(row | {"features": "default/ac2/digits at 5 frames"})[0] == "in the features of default/ac2/digits at 5 frames"


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, neighbourhood])
@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((1, 2)), np.zeros((5, 2)), "at least two rows"),
        (np.zeros((5, 2)), np.zeros((0, 2)), "at least two rows"),
        (np.zeros((5, 2)), np.zeros((5, 3)), "of one width"),
        (np.zeros((5, 2)), np.full((5, 2), math.nan), "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(measure, real: np.ndarray, generated: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(real, generated)


def peak(rows: int, width: int) -> int:
    """Bytes that comparing three sets takes at most."""
    sets = [normal(rows, width, seed).astype(np.float32) for seed in range(3)]
    tracemalloc.start()
    try:
        generation_metrics(*sets)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_square_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "_BLOCK", 2**14)
    assert peak(1500, 4) < 1500**2 * 8 / 6


@pytest.mark.slow
def test_ten_thousand_rows_fit_into_two_gigabytes() -> None:
    assert peak(10_000, 512) < 2e9
