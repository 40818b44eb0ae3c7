"""The spread over seeds against closed forms and a slow bootstrap."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from unified.metrics.statistics import interquartile_mean, spread


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([5.0], 5),
        ([1.0, 2.0, 6.0], 3),  # too few to leave one out
        ([9.0, -100.0, 1.0, 3.0], 2),
        ([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 99.0, 99.0], 2.5),
        ([7.0, 1.0, 2.0, 3.0, 4.0], 3),
    ],
)
def test_the_middle_half(scores: list[float], expected: float) -> None:
    assert float(interquartile_mean(np.array(scores))) == expected


def test_one_task() -> None:
    scores = [470.0, 500.0, 490.0, 100.0, 500.0]
    found = spread(scores)
    assert found.mean == pytest.approx(statistics.mean(scores))
    assert found.sd == pytest.approx(statistics.stdev(scores))
    assert found.iqm == pytest.approx((470 + 490 + 500) / 3)
    assert found.low <= found.iqm <= found.high
    assert 100 <= found.low < found.high <= 500
    assert found.scores == 5


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = [1.0, 5.0, 2.0, 8.0, 3.0]
    assert spread(scores, seed=4) == spread(scores, seed=4)
    assert spread(scores, seed=4) != spread(scores, seed=5, resamples=20)


def test_order_shift_and_scale() -> None:
    scores = [1.0, 5.0, 2.0, 8.0, 3.0]
    found, moved = spread(scores), spread([10 * score - 3 for score in scores])
    assert [moved.mean, moved.iqm, moved.low, moved.high] == pytest.approx(
        [10 * x - 3 for x in (found.mean, found.iqm, found.low, found.high)]
    )
    assert moved.sd == pytest.approx(10 * found.sd)
    assert spread(sorted(scores)).iqm == found.iqm


def test_one_seed_and_equal_seeds_have_no_width() -> None:
    for scores in ([3.0], [3.0] * 6):
        found = spread(scores)
        assert (found.mean, found.sd, found.iqm, found.low, found.high) == (3, 0, 3, 3, 3)


def test_tasks_are_strata() -> None:
    """Of two tasks without spread of their own nothing is uncertain, however far apart they are."""
    found = spread([0.0] * 5, [1.0] * 5)
    assert (found.mean, found.sd, found.low, found.high) == (0.5, 0, found.iqm, found.iqm)
    mixed = spread([0.0] * 5 + [1.0] * 5)
    assert mixed.high - mixed.low > 0.3


def test_the_deviation_of_several_tasks_is_pooled() -> None:
    a, b = [1.0, 3.0], [10.0, 11.0, 15.0]
    assert spread(a, b).sd == pytest.approx(math.sqrt((statistics.variance(a) + 2 * statistics.variance(b)) / 3))


def test_the_interval_is_that_of_a_slow_bootstrap() -> None:
    generator = np.random.default_rng(1)
    tasks = generator.normal(size=(3, 10)) + np.array([[0.0], [1.0], [5.0]])
    found = spread(*tasks, resamples=4000)
    slow = []
    for _ in range(4000):
        drawn = sorted(score for scores in tasks for score in generator.choice(scores, len(scores)))
        slow.append(statistics.mean(drawn[7:23]))
    assert [found.low, found.high] == pytest.approx(np.quantile(slow, [0.025, 0.975]).tolist(), abs=0.05)
    narrow = spread(*tasks, resamples=4000, confidence=0.5)
    assert found.low < narrow.low < narrow.high < found.high


@pytest.mark.parametrize("tasks", [(), ([],), ([1.0], []), ([math.nan, 1.0],), ([[1.0, 2.0]],)])
def test_what_is_no_score_is_refused(tasks: tuple) -> None:
    with pytest.raises(ValueError, match="each task needs a score"):
        spread(*tasks)
