"""Regression metrics in the units of the targets. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Regression:
    """Answers against targets, D numbers for each row.

    Args:
        r2: Coefficient of determination of each number, ``(D,)``: 1 is exact, 0 as good as their mean, negative worse.
        rmse: Root of the mean squared error of each number, ``(D,)``, in units of the target.
        mae: Mean absolute error, likewise.
        rows: N.
    """

    r2: np.ndarray
    rmse: np.ndarray
    mae: np.ndarray
    rows: int

    def row(self) -> dict[str, float]:
        """The scalar metrics, for ``metrics.jsonl``: means over the D targets."""
        return {"r2": float(self.r2.mean()), "rmse": float(self.rmse.mean()), "mae": float(self.mae.mean())}


def regression_metrics(
    answers: np.ndarray, targets: np.ndarray, bounds: tuple[Sequence[float], Sequence[float]] | None = None
) -> Regression:
    """Compare answers with targets.

    R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)², RMSE = √(Σ(y - ŷ)² / N), MAE = Σ|y - ŷ| / N. Of a target that is the same in all rows, R² is 0/0:
    it counts as 1 where the answers are exact and as 0 otherwise, as in scikit-learn.

    Args:
        answers: ``(N, D)`` or ``(N,)``.
        targets: Of the same shape.
        bounds: Least and greatest target of each of the D numbers in units of its own (`Spec.targets`), for which -1 and 1 stand in
            `answers` and `targets`; ``None`` where these are in their units already.

    Raises:
        ValueError: If the shapes differ or there is no row.
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
    """Numbers within [-1, 1] ``(N, D)`` in units of their own: low + (x + 1) / 2 · (high - low).

    >>> in_units(np.array([[-1.0], [0.0], [1.0]]), ((10.0,), (30.0,))).ravel().tolist()
    [10.0, 20.0, 30.0]
    """
    low, high = (np.asarray(bound, np.float64) for bound in bounds)
    if low.shape != high.shape or low.shape != scaled.shape[1:]:
        raise ValueError(f"bounds are for {low.size} and {high.size} numbers, and rows have {scaled.shape[1]}")
    return low + (np.asarray(scaled, np.float64) + 1) / 2 * (high - low)


def report(metrics: Regression, names: Sequence[str] = ()) -> list[str]:
    """A report: one line for each target, and their mean if there are several."""
    names = list(names) or ([f"target {index}" for index in range(len(metrics.r2))] if len(metrics.r2) > 1 else ["target"])
    lines = [(name, *numbers) for name, *numbers in zip(names, metrics.r2, metrics.rmse, metrics.mae, strict=True)]
    if len(lines) > 1:
        lines.append(("mean", *metrics.row().values()))
    wide = max(len(name) for name, *_ in lines)
    table = [f"{'':<{wide}}  {'R²':>7}  {'RMSE':>9}  {'MAE':>9}   ({metrics.rows:,} rows)"]
    return table + [f"{name:<{wide}}  {r2:>7.3f}  {rmse:>9.4g}  {mae:>9.4g}" for name, r2, rmse, mae in lines]
