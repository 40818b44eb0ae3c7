"""Metrics of regression: R², RMSE and MAE in the units of the targets. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Regression:
    """Metrics of predictions with D numbers per row.

    Args:
        r2: Coefficient of determination of each number, ``(D,)``: 1 is exact, 0 as good as predicting the mean, negative is worse.
        rmse: Root of the mean squared error of each number, ``(D,)``, in units of the target.
        mae: Mean absolute error of each number, ``(D,)``, in units of the target.
        rows: Number of rows N.
    """

    r2: np.ndarray
    rmse: np.ndarray
    mae: np.ndarray
    rows: int

    def row(self) -> dict[str, float]:
        """Scalar metrics for ``metrics.jsonl``: means over the D numbers."""
        return {"r2": float(self.r2.mean()), "rmse": float(self.rmse.mean()), "mae": float(self.mae.mean())}


def regression_metrics(
    answers: np.ndarray, targets: np.ndarray, bounds: tuple[Sequence[float], Sequence[float]] | None = None
) -> Regression:
    """Compare predictions with targets.

    R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², RMSE = √(Σ(y - ŷ)² / N), MAE = Σ|y - ŷ| / N. If a target is the same in all rows, R² is 0/0 and
    counts as 1 for exact predictions and as 0 otherwise, as in scikit-learn.

    Args:
        answers: Predictions, ``(N, D)`` or ``(N,)``.
        targets: Targets of the same shape.
        bounds: Lowest and highest target of each of the D numbers (`Spec.target_range`) if `answers` and `targets` are scaled to [-1, 1];
            ``None`` if they are in their own units.

    Raises:
        ValueError: If the shapes differ or there are no rows.
    """
    answers, targets = np.asarray(answers, np.float64), np.asarray(targets, np.float64)
    if answers.shape != targets.shape or not targets.size:
        raise ValueError(f"answers and targets have the same shape and at least one row: {answers.shape} and {targets.shape}")
    answers, targets = answers.reshape(len(answers), -1), targets.reshape(len(targets), -1)
    if bounds is not None:
        answers, targets = in_units(answers, bounds), in_units(targets, bounds)
    errors = answers - targets
    squared = (errors**2).sum(axis=0)
    total = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    constant = targets.max(axis=0) == targets.min(axis=0)  # `total` may be some rounding
    r2 = np.where(constant, np.where(squared == 0, 1.0, 0.0), 1 - squared / np.where(constant, 1.0, total))
    return Regression(r2, np.sqrt(squared / len(targets)), np.abs(errors).mean(axis=0), len(targets))


def in_units(scaled: np.ndarray, bounds: tuple[Sequence[float], Sequence[float]]) -> np.ndarray:
    """Rescale numbers from [-1, 1] ``(N, D)`` to their own units: low + (x + 1) / 2 · (high - low).

    >>> in_units(np.array([[-1.0], [0.0], [1.0]]), ((10.0,), (30.0,))).ravel().tolist()
    [10.0, 20.0, 30.0]
    """
    low, high = (np.asarray(bound, np.float64) for bound in bounds)
    if low.shape != high.shape or low.shape != scaled.shape[1:]:
        raise ValueError(f"bounds are for {low.size} and {high.size} numbers, and rows have {scaled.shape[1]}")
    return low + (np.asarray(scaled, np.float64) + 1) / 2 * (high - low)


def report(metrics: Regression, names: Sequence[str] = ()) -> list[str]:
    """Lines of text: one for each number, and their mean if there are several."""
    names = list(names) or ([f"target {index}" for index in range(len(metrics.r2))] if len(metrics.r2) > 1 else ["target"])
    lines = [(name, *numbers) for name, *numbers in zip(names, metrics.r2, metrics.rmse, metrics.mae, strict=True)]
    if len(lines) > 1:
        lines.append(("mean", *metrics.row().values()))
    wide = max(len(name) for name, *_ in lines)
    table = [f"{'':<{wide}}  {'R²':>7}  {'RMSE':>9}  {'MAE':>9}   ({metrics.rows:,} rows)"]
    return table + [f"{name:<{wide}}  {r2:>7.3f}  {rmse:>9.4g}  {mae:>9.4g}" for name, r2, rmse, mae in lines]
