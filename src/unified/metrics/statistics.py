"""Statistics over seeds: mean, standard deviation, and the interquartile mean with a confidence interval. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Scores of several seeds, on one task or on several.

    Args:
        mean: Mean over all scores.
        sd: Standard deviation over the seeds of a task, with n - 1; for several tasks the root of their pooled variance. 0 for one seed.
        iqm: Interquartile mean: mean of the middle half of all scores.
        low: Lower end of the confidence interval of the interquartile mean.
        high: Upper end.
        scores: Number of scores.
    """

    mean: float
    sd: float
    iqm: float
    low: float
    high: float
    scores: int


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis without its lowest and highest quarter, ``(..., n)`` to ``(...)``.

    ``n // 4`` scores are removed at each end, as in Agarwal et al. 2021; of three seeds none is, and the result is their mean.

    >>> float(interquartile_mean(np.array([1.0, 2.0, 4.0, 1000.0])))
    3.0
    """
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(np.asarray(scores, np.float64), 0.25, axis=-1))


def spread(*tasks: Sequence[float], confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Spread:
    """Summarise the scores of several seeds.

    The interval is the percentile interval of a stratified bootstrap (Agarwal et al. 2021, "Deep reinforcement learning at the edge of
    the statistical precipice"): seeds are resampled with replacement within each task. With three seeds it is a rough estimate.

    Args:
        tasks: For each task the score of each seed. Several tasks must share a scale (human-normalised, for example).
        confidence: Level of the interval.
        resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap; the same scores and seed give the same interval.

    Raises:
        ValueError: If there is no task, or a task has no score or one that is not finite.
    """
    strata = [np.asarray(scores, np.float64) for scores in tasks]
    if not strata or any(scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all() for scores in strata):
        raise ValueError("each task needs a score, and scores are finite")
    everything = np.concatenate(strata)
    freedom = len(everything) - len(strata)
    sd = np.sqrt(sum(((scores - scores.mean()) ** 2).sum() for scores in strata) / freedom) if freedom else 0.0
    generator = np.random.default_rng(seed)
    drawn = np.concatenate([scores[generator.integers(len(scores), size=(resamples, len(scores)))] for scores in strata], axis=1)
    low, high = np.quantile(interquartile_mean(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Spread(float(everything.mean()), float(sd), float(interquartile_mean(everything)), float(low), float(high), len(everything))
