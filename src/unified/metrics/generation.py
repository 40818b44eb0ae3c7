"""Metrics of generated samples: two sets of rows are compared in a feature space. Torch-free.

All metrics depend on the features and the number of rows, so a value alone means little: `generation_metrics` adds to each
metric its floor, the same metric between two sets of real rows of the same size. A generator that repeats training rows reaches the
floor too: none of these metrics detects memorisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Number of distances or kernels in memory at once: 64 MiB in float64.
_BLOCK = 2**23
#: Squared distances below this share of the rows' own squares are 0: features are float32, and these are equal in it.
_EQUAL = 1e-13
#: Radii are compared up to this share: beyond it two ways to the same distance round differently.
_TIE = 1e-9
#: Best values for reports. Density above 1 is not better: rows near the centre of the real ones are dense.
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
    the trace of the root, without squaring what is rooted afterwards: exact to rounding also where there are fewer rows than features.
    The estimate is biased upwards, the more the fewer the rows are: compare equal numbers only.

    Args:
        real: Features ``(N, D)``.
        generated: Features ``(M, D)``.

    Raises:
        ValueError: If a set has less than two rows, other features, or numbers that are not finite.
    """
    real, generated = _features(real, generated)
    between = ((real.mean(axis=0) - generated.mean(axis=0)) ** 2).sum()
    root_real, root_generated = _root(real), _root(generated)
    shared = np.linalg.norm(root_real @ root_generated.T, "nuc")
    return max(0.0, float(between + (root_real**2).sum() + (root_generated**2).sum() - 2 * shared))


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared maximum mean discrepancy, unbiased, with a cubic kernel (Bińkowski et al. 2018, eq. 4 and section 4).

    k(x, y) = (xᵀy / D + 1)³,  MMD² = mean over i ≠ j of k(xᵢ, xⱼ) + mean over i ≠ j of k(yᵢ, yⱼ) - 2 mean k(xᵢ, yⱼ)

    Unbiased whatever the number of rows: 0 on average for equal distributions, so it may be negative. All pairs are taken, where others
    average over blocks.

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
    """Nearest-neighbour metrics of two sets.

    Args:
        one_nn: Leave-one-out accuracy of telling the sets apart by the nearest neighbour (Lopez-Paz & Oquab 2017; Xu et al. 2018): about
            0.5 where they are equally many and alike, 1 where they are apart, 0 where each row has its copy in the other set. Where the
            nearest ones of both sets are equally near, it counts half.
        precision: Share of generated rows within reach of a real one: |y - x| ≤ the distance of x to its k-th nearest real row, for some
            x (Kynkäänniemi et al. 2019, eq. 2). Quality.
        recall: The same with the sets exchanged. Diversity.
        density: How many real rows a generated one is within reach of, divided by k (Naeem et al. 2020, eq. 3): quality that one real
            outlier does not spoil. 1 for equal sets; it may be above.
        coverage: Share of real rows that have a generated one within reach (eq. 4). Diversity.
    """

    one_nn: float
    precision: float
    recall: float
    density: float
    coverage: float


def neighbourhood(real: np.ndarray, generated: np.ndarray, k_manifold: int = 3, k_density: int = 5) -> Neighbourhood:
    """Compare two sets by the nearest neighbours of their rows.

    Distances are Euclidean, in float64, held in blocks. Within reach is meant as the authors' programs do it: at most as far for
    precision and recall, strictly nearer for density and coverage, which makes the density of a set against itself 1.

    Args:
        real: Features ``(N, D)``.
        generated: Features ``(M, D)``.
        k_manifold: k of precision and recall; one less than there are rows, where these are fewer.
        k_density: k of density and coverage, likewise.

    Raises:
        ValueError: As `frechet_distance`.
    """
    real, generated = _features(real, generated)
    centre = real.mean(axis=0)  # distances stay, and lose fewer digits
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
    correct = np.concatenate([_nearer(near_real[:, 0], least_real), _nearer(near_generated[:, 0], least_generated)])
    density = counted / (k_density * len(generated))
    return Neighbourhood(float(correct.mean()), float(precise.mean()), float(recalled.mean()), density, float(covered.mean()))


def nearest_neighbour_accuracy(known: np.ndarray, classes: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of the 1-nearest-neighbour classifier (Cover & Hart 1967), by Euclidean distance; of those equally near, the first counts.

    Args:
        known: Features ``(N, D)`` of the rows that it knows.
        classes: ``(N,)``, each one's.
        asked: Features ``(M, D)`` of the rows that it is asked about.
        truth: ``(M,)``, each one's class.

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
    """Every metric of generated rows against test rows, and beside it its floor, that of training rows against test rows.

    Equally many rows of each set are compared, as many as the smallest has, drawn at random.

    Args:
        real_train: Features ``(N, D)`` of rows that were trained on.
        real_test: Of rows that were not.
        generated: Of rows that were made.
        seed: Of the draw.
        classes: Of training, test and generated rows, ``(N,)`` each, where rows are made for a class. ``train_on_generated`` is then the
            accuracy on test rows of a `nearest_neighbour_accuracy` that knows the generated ones alone (Esteban et al. 2017, "train on
            synthetic, test on real"; Ravuri & Vinyals 2019); its floor knows the training ones.

    Returns:
        ``frechet, kernel, one_nn, precision, recall, density, coverage`` and, with classes, ``train_on_generated``, each with
        ``<name>_floor``; and ``samples``, the rows of a set.

    Raises:
        ValueError: As `frechet_distance`.
    """
    generator = np.random.default_rng(seed)
    samples = min(map(len, (real_train, real_test, generated)))
    sets = (real_train, real_test, generated)
    drawn = [np.sort(generator.permutation(len(rows))[:samples]) for rows in sets]
    train, test, made = (np.asarray(rows)[index] for rows, index in zip(sets, drawn, strict=True))
    row: dict[str, float] = {}
    found, floor = (
        {"frechet": frechet_distance(test, rows), "kernel": kernel_distance(test, rows), **asdict(neighbourhood(test, rows))}
        for rows in (made, train)
    )
    if classes is not None:
        of_train, of_test, of_made = (np.asarray(each)[index] for each, index in zip(classes, drawn, strict=True))
        found["train_on_generated"] = nearest_neighbour_accuracy(made, of_made, test, of_test)
        floor["train_on_generated"] = nearest_neighbour_accuracy(train, of_train, test, of_test)
    for name in found:
        row |= {name: found[name], f"{name}_floor": floor[name]}
    return row | {"samples": samples}


def report(row: Mapping[str, Any]) -> list[str]:
    """Lines for a person, of what `generation_metrics` gives: each metric beside its floor.

    Where ``row["features"]`` names the features, the report does too.
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
        raise ValueError("features hold numbers that are not finite")
    return real, generated


def _root(rows: np.ndarray) -> np.ndarray:
    """R, ``(min(N, D), D)``, of which RᵀR is the covariance of the rows."""
    centred = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def _products(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Inner products ``(n, M)`` of some rows of `x` with all of `y`, and which rows they are."""
    size = max(1, _BLOCK // len(y))
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x))), x[start : start + size] @ y.T


def _cubic(products: np.ndarray, width: int) -> np.ndarray:
    shifted = products / width + 1
    return np.asarray(shifted * shifted * shifted)  # ten times as fast as a power


def _distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances ``(n, M)`` of some rows of `x` to all of `y`, and which rows they are."""
    squares_x, squares_y = (x * x).sum(axis=1), (y * y).sum(axis=1)
    for block, distances in _products(x, y):
        squares = squares_x[block, None] + squares_y
        distances *= -2
        distances += squares
        squares *= _EQUAL
        distances[distances <= squares] = 0
        yield block, distances


def _nearest(rows: np.ndarray, k: int) -> np.ndarray:
    """Squared distances ``(N, k)`` of each row to the k others that are nearest to it, the nearest first."""
    nearest = np.empty((len(rows), k))
    for block, distances in _distances(rows, rows):
        indices = np.arange(block.start, block.stop)
        distances[indices - block.start, indices] = np.inf
        distances.partition(k - 1, axis=1)
        nearest[block] = np.sort(distances[:, :k], axis=1)
    return nearest


def _nearer(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 where the own set is nearer, 0 where the other is, a half where both are equally near."""
    return np.where(own < other * (1 - _TIE), 1.0, np.where(own > other * (1 + _TIE), 0.0, 0.5))
