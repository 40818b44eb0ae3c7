"""Metrics of generation: compare generated rows with real rows in the features of a network. Imports no torch.

All metrics depend on the features and on the number of rows. `generation_metrics` therefore returns each metric with its floor, the same
metric between two sets of real rows of the same size. A generator that repeats training rows reaches the floor too: none of these metrics
separates generalisation from memorisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Number of distances, or kernel values, in memory at once: 64 MiB in float64.
_BLOCK = 2**23
#: Squared distances below this share of the rows' squared norms count as 0, because the features are equal in float32.
_EQUAL = 1e-13
#: Relative tolerance of comparisons of radii, for the rounding of distances.
_TIE = 1e-9
#: Best value of each metric, as shown in reports. A density above 1 is not better: rows near the centre of the data are dense.
_BEST = {
    "frechet": "less",
    "kernel": "less",
    "one_nn": "0.5",
    "precision": "more",
    "recall": "more",
    "density": "1",
    "coverage": "more",
    "train_on_generated": "more",
}


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Fréchet distance between the Gaussians of the sets' means and covariances (Heusel et al. 2017, eq. 6).

    d² = |μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁C₂)^½)

    With centred rows A = QR, so that C = RᵀR / (N - 1), the eigenvalues of C₁C₂ are the squared singular values of R₁R₂ᵀ. Their sum is
    the trace of the root. No value is squared before its root is taken, so the result is exact to rounding also with fewer rows than
    features. The estimate is biased upwards, more so for few rows: compare only sets of equal size.

    Args:
        real: Features ``(N, D)``.
        generated: Features ``(M, D)``.

    Raises:
        ValueError: If a set has fewer than two rows, the widths differ, or a number is not finite.
    """
    real, generated = _features(real, generated)
    between = ((real.mean(axis=0) - generated.mean(axis=0)) ** 2).sum()
    root_real, root_generated = _root(real), _root(generated)
    shared = np.linalg.norm(root_real @ root_generated.T, "nuc")
    return max(0.0, float(between + (root_real**2).sum() + (root_generated**2).sum() - 2 * shared))


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared maximum mean discrepancy, unbiased, with a cubic kernel (Bińkowski et al. 2018, eq. 4 and section 4).

    k(x, y) = (xᵀy / D + 1)³,  MMD² = mean over i ≠ j of k(xᵢ, xⱼ) + mean over i ≠ j of k(yᵢ, yⱼ) - 2 mean k(xᵢ, yⱼ)

    Unbiased for any number of rows: 0 on average for equal distributions, so it may be negative. All pairs are used; other
    implementations average over blocks.

    Args:
        real: Features ``(N, D)``.
        generated: Features ``(M, D)``.

    Raises:
        ValueError: As `frechet_distance`.
    """
    real, generated = _features(real, generated)

    def total(x: np.ndarray, y: np.ndarray) -> float:
        return float(sum((_cubic(product, x.shape[1])).sum() for _, product in _products(x, y)))

    def within(x: np.ndarray) -> float:
        own = _cubic((x * x).sum(axis=1), x.shape[1]).sum()
        return float((total(x, x) - own) / (len(x) * (len(x) - 1)))

    return within(real) + within(generated) - 2 * total(real, generated) / (len(real) * len(generated))


@dataclass(frozen=True)
class Neighbourhood:
    """Metrics of the nearest neighbours between two sets. A row is within reach of x if it is not further than the k-th neighbour of x.

    Args:
        one_nn: Leave-one-out accuracy of the 1-nearest-neighbour classifier that separates the sets (Lopez-Paz & Oquab 2017; Xu et al.
            2018): about 0.5 for equal distributions, 1 for separate sets, 0 if each row has a copy in the other set. Ties count half.
        precision: Share of generated rows within reach of a real row (Kynkäänniemi et al. 2019, eq. 2). Quality.
        recall: Share of real rows within reach of a generated row. Diversity.
        density: Number of real rows that a generated row is within reach of, divided by k (Naeem et al. 2020, eq. 3): quality that is
            robust to an outlier among the real rows. 1 for equal sets; it may be higher.
        coverage: Share of real rows that have a generated row within reach (eq. 4). Diversity.
    """

    one_nn: float
    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhood(real: np.ndarray, generated: np.ndarray, k_manifold: int = 3, k_density: int = 5) -> Neighbourhood:
    """Compare two sets by the nearest neighbours of their rows.

    Distances are Euclidean, in float64, computed in blocks. As in the authors' programs, "within reach" is ≤ for precision and recall
    and < for density and coverage, so that the density of a set with itself is 1.

    Args:
        real: Features ``(N, D)``.
        generated: Features ``(M, D)``.
        k_manifold: k of precision and recall; at most the number of rows minus one.
        k_density: k of density and coverage; at most the number of rows minus one.

    Raises:
        ValueError: As `frechet_distance`.
    """
    real, generated = _features(real, generated)
    centre = real.mean(axis=0)  # distances stay the same, with less rounding
    real, generated = real - centre, generated - centre
    k_real, k_generated, k_density = (
        min(k, n - 1) for k, n in ((k_manifold, len(real)), (k_manifold, len(generated)), (k_density, len(real)))
    )
    near_real, near_generated = _nearest(real, max(k_real, k_density)), _nearest(generated, k_generated)
    reach_real, reach_generated = near_real[:, k_real - 1, None] * (1 + _TIE), near_generated[:, k_generated - 1] * (1 + _TIE)
    reach_density = near_real[:, k_density - 1, None] * (1 - _TIE)

    precise, recalled = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    covered, counted = np.zeros(len(real), bool), 0
    least_real, least_generated = np.empty(len(real)), np.full(len(generated), np.inf)
    for block, distances in _distances(real, generated):
        precise |= (distances <= reach_real[block]).any(axis=0)
        recalled[block] = (distances <= reach_generated).any(axis=1)
        inside = distances < reach_density[block]
        covered[block] = inside.any(axis=1)
        counted += int(inside.sum())
        least_real[block] = distances.min(axis=1)
        np.minimum(least_generated, distances.min(axis=0), out=least_generated)
    separated = np.concatenate([_nearer(near_real[:, 0], least_real), _nearer(near_generated[:, 0], least_generated)])
    density = counted / (k_density * len(generated))
    return Neighbourhood(float(separated.mean()), float(precise.mean()), float(recalled.mean()), density, float(covered.mean()))


def nearest_neighbour_accuracy(known: np.ndarray, classes: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of the 1-nearest-neighbour classifier (Cover & Hart 1967), by Euclidean distance; ties choose the first row.

    Args:
        known: Features ``(N, D)`` of the training rows.
        classes: Classes ``(N,)`` of the training rows.
        asked: Features ``(M, D)`` of the test rows.
        truth: Classes ``(M,)`` of the test rows.

    Raises:
        ValueError: As `frechet_distance`.
    """
    asked, known = _features(asked, known)
    nearest = np.concatenate([distances.argmin(axis=1) for _, distances in _distances(asked, known)])
    return float((classes[nearest] == truth).mean())


def generation_metrics(
    real_train: np.ndarray,
    real_test: np.ndarray,
    generated: np.ndarray,
    seed: int = 0,
    classes: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> dict[str, float]:
    """All metrics of generated rows against test rows, each with its floor: the metric of training rows against test rows.

    The sets are reduced at random to the size of the smallest.

    Args:
        real_train: Features ``(N, D)`` of training rows.
        real_test: Features ``(M, D)`` of test rows.
        generated: Features ``(L, D)`` of generated rows.
        seed: Seed of the random choice.
        classes: Classes of training, test and generated rows, ``(N,)`` each, for class-conditional generation. ``train_on_generated`` is
            then the `nearest_neighbour_accuracy` on test rows of a classifier that is trained on generated rows (Esteban et al. 2017,
            "train on synthetic, test on real"; Ravuri & Vinyals 2019); its floor is trained on the training rows.

    Returns:
        ``frechet, kernel, one_nn, precision, recall, density, coverage`` and, with classes, ``train_on_generated``, each with
        ``<name>_floor``; and ``samples``, the number of rows of each set.

    Raises:
        ValueError: As `frechet_distance`.
    """
    generator = np.random.default_rng(seed)
    samples = min(map(len, (real_train, real_test, generated)))
    sets = (real_train, real_test, generated)
    drawn = [np.sort(generator.permutation(len(rows))[:samples]) for rows in sets]
    train, test, new = (np.asarray(rows)[index] for rows, index in zip(sets, drawn, strict=True))
    row: dict[str, float] = {}
    found, floor = (
        {"frechet": frechet_distance(test, rows), "kernel": kernel_distance(test, rows), **asdict(neighbourhood(test, rows))}
        for rows in (new, train)
    )
    if classes is not None:
        of_train, of_test, of_new = (np.asarray(each)[index] for each, index in zip(classes, drawn, strict=True))
        found["train_on_generated"] = nearest_neighbour_accuracy(new, of_new, test, of_test)
        floor["train_on_generated"] = nearest_neighbour_accuracy(train, of_train, test, of_test)
    for name in found:
        row |= {name: found[name], f"{name}_floor": floor[name]}
    return row | {"samples": samples}


def report(row: Mapping[str, Any]) -> list[str]:
    """Lines of text from the result of `generation_metrics`: each metric with its floor.

    They name the classifier of the features if ``row["features"]`` does.
    """
    names = [name for name in _BEST if name in row]
    wide = max(map(len, names))
    where = [f"in the features of {row['features']}"] if "features" in row else []
    head = f"{'':<{wide}}  {'generated':>9}  {'eps':>9}  best   ({row['samples']:,} rows; the floor: training against test rows)"
    lines = [f"{name:<{wide}}  {row[name]:>9.4g}  {row[f'{name}_floor']:>9.4g}  {_BEST[name]}" for name in names]
    return [*where, head, *lines]


# Pairs, in blocks ---------------------------------------------------------------------------------------------------------------


def _features(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 ``(N, D)``."""
    real, generated = (np.asarray(rows, np.float64).reshape(len(rows), math.prod(rows.shape[1:])) for rows in (real, generated))
    if min(len(real), len(generated)) < 2 or real.shape[1] != generated.shape[1]:
        raise ValueError(f"two sets of features have at least two rows each, of one width: {real.shape} and {generated.shape}")
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        raise ValueError("features contain numbers that are not finite")
    return real, generated


def _root(rows: np.ndarray) -> np.ndarray:
    """R, ``(min(N, D), D)``, with RᵀR the covariance of the rows."""
    centred = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _products(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Inner products ``(n, M)`` of a block of rows of `x` with all of `y`, with the slice of the block."""
    size = max(1, _BLOCK // len(y))
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x))), x[start : start + size] @ y.T


def _cubic(products: np.ndarray, width: int) -> np.ndarray:
    shifted = products / width + 1
    return np.asarray(shifted * shifted * shifted)  # ten times faster than a power


def _distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances ``(n, M)`` of a block of rows of `x` to all of `y`, with the slice of the block."""
    squares_x, squares_y = (x * x).sum(axis=1), (y * y).sum(axis=1)
    for block, distances in _products(x, y):
        squares = squares_x[block, None] + squares_y
        distances *= -2
        distances += squares
        squares *= _EQUAL
        distances[distances <= squares] = 0
        yield block, distances


def _nearest(rows: np.ndarray, k: int) -> np.ndarray:
    """Squared distances ``(N, k)`` of each row to its k nearest other rows, nearest first."""
    nearest = np.empty((len(rows), k))
    for block, distances in _distances(rows, rows):
        indices = np.arange(block.start, block.stop)
        distances[indices - block.start, indices] = np.inf
        distances.partition(k - 1, axis=1)
        nearest[block] = np.sort(distances[:, :k], axis=1)
    return nearest


def _nearer(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 if the own set is nearer, 0 if the other set is, 0.5 for ties."""
    return np.where(own < other * (1 - _TIE), 1.0, np.where(own > other * (1 + _TIE), 0.0, 0.5))
