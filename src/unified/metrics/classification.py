"""Metrics of classification: accuracy, precision, recall, F1, the confusion matrix, log loss and calibration. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Number of bins of confidence (Guo et al. 2017 use 15).
BINS = 15
#: A confusion matrix wider than this, in characters, is left out of a report.
WIDTH = 110


@dataclass(frozen=True)
class Classification:
    """Metrics of predictions for K classes.

    A ratio 0/0 is ``nan`` in the arrays over classes (the recall of a class without rows) and is left out of every mean.

    Args:
        confusion: Number of rows by label and prediction, ``(K, K)`` int64: ``confusion[t, p]`` rows of class t were predicted as p.
        log_loss: Mean negative log-likelihood of the truth, in nats; ``None`` without probabilities.
        calibration_error: Expected calibration error, in [0, 1]; ``None`` without probabilities.
    """

    confusion: np.ndarray
    log_loss: float | None = None
    calibration_error: float | None = None

    @property
    def support(self) -> np.ndarray:
        """Rows of each class, ``(K,)``."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def precision(self) -> np.ndarray:
        """TP / (TP + FP) of each class, ``(K,)``; ``nan`` for a class that was never predicted."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """TP / (TP + FN) of each class, ``(K,)``; ``nan`` for a class without rows."""
        return _ratio(self.confusion.diagonal(), self.support)

    @property
    def f1(self) -> np.ndarray:
        """2 TP / (2 TP + FP + FN) of each class, ``(K,)``; ``nan`` for a class that neither occurs nor was predicted."""
        return _ratio(2 * self.confusion.diagonal(), self.confusion.sum(axis=0) + self.support)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that occur (Brodersen et al. 2010); 1/K by chance, whatever the class frequencies."""
        return float(np.nanmean(self.recall))

    def row(self) -> dict[str, float]:
        """Scalar metrics for ``metrics.jsonl``; all are finite."""
        found = {"accuracy": self.accuracy, "balanced_accuracy": self.balanced_accuracy, "f1": float(np.nanmean(self.f1))}
        optional = {"log_loss": self.log_loss, "calibration_error": self.calibration_error}
        return found | {name: value for name, value in optional.items() if value is not None}


def classification_metrics(
    predictions: np.ndarray, labels: np.ndarray, classes: int, probabilities: np.ndarray | None = None
) -> Classification:
    """Compare predictions with labels.

    Args:
        predictions: Predicted class of each row, ``(N,)`` integers below `classes`.
        labels: True class of each row, ``(N,)`` integers below `classes`.
        classes: Number of classes K; a class may be missing from both.
        probabilities: Predicted probability of each class, ``(N, K)``, for log loss and calibration.

    Raises:
        ValueError: If there are no rows, a class is out of range, or the probabilities do not add up to 1.
    """
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.shape != labels.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(f"predictions and labels are (N,), with at least one row: {predictions.shape} and {labels.shape}")
    for name, values in (("predictions", predictions), ("labels", labels)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= classes:
            raise ValueError(f"{name} are integers from 0 to {classes - 1}, not {values.dtype} from {values.min()} to {values.max()}")
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(labels, predictions, labels=np.arange(classes))
    if probabilities is None:
        return Classification(confusion)
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.shape != (len(labels), classes):
        raise ValueError(f"probabilities are (N, K) = {(len(labels), classes)}, not {probabilities.shape}")
    if probabilities.min() < 0 or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-2):  # the tolerance of half precision
        raise ValueError("probabilities are at least 0 and add up to 1 in each row: pass logits through a softmax first")
    confidence = probabilities[np.arange(len(labels)), predictions]
    error = expected_calibration_error(confidence, predictions == labels)
    return Classification(confusion, log_loss(probabilities, labels), error)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label) in nats, for ``(N, K)`` and ``(N,)`` (Good 1952).

    A probability that float32 rounded to zero counts as the smallest normal number, so that a row costs at most 87 nats.
    """
    likelihood = np.asarray(probabilities)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean())


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3; Naeini et al. 2015).

    ECE = Σ_b (n_b / N) |accuracy(b) - confidence(b)| over bins of equal width ((b-1)/B, b/B] of confidence.

    Args:
        confidence: Probability of the predicted class, ``(N,)``.
        correct: Whether the prediction is correct, ``(N,)``.
        bins: Number of bins B.
    """
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.bincount(place, weights=np.asarray(correct, np.float64) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def report(metrics: Classification, names: Sequence[str] = ()) -> list[str]:
    """Lines of text: overall metrics, a line for each class, and the confusion matrix if it fits.

    Args:
        metrics: The metrics.
        names: Names of the classes; their numbers by default.
    """
    names = [_short(name) for name in names or map(str, range(len(metrics.confusion)))]
    wide = max(5, *map(len, names))
    head = f"accuracy {metrics.accuracy:.1%}   balanced {metrics.balanced_accuracy:.1%}   F1 {np.nanmean(metrics.f1):.3f}"
    if metrics.log_loss is not None:
        head += f"   log loss {metrics.log_loss:.3f}"
    if metrics.calibration_error is not None:
        head += f"   calibration error {metrics.calibration_error:.1%}"
    lines = [f"{head}   ({metrics.support.sum():,} rows)", "", f"{'class':<{wide}}  precision  recall     F1    rows  mistaken for"]
    numbers = zip(metrics.precision, metrics.recall, metrics.f1, metrics.support, strict=True)
    for index, (precision, recall, f1, rows) in enumerate(numbers):
        missed = metrics.confusion[index].copy()
        missed[index] = 0
        mistaken = f"{names[int(missed.argmax())]} ({missed.max():,})" if missed.any() else ""
        cells = f"{_cell(precision, '.1%'):>9}  {_cell(recall, '.1%'):>6}  {_cell(f1, '.3f'):>5}  {rows:>6,}"
        lines.append(f"{names[index]:<{wide}}  {cells}  {mistaken}".rstrip())
    column = max(max(map(len, names)), len(f"{metrics.confusion.max():,}")) + 1
    if wide + column * len(names) <= WIDTH:
        lines += ["", "confusion: labels in rows, predictions in columns", " " * wide + "".join(f"{name:>{column}}" for name in names)]
        lines += [
            f"{name:<{wide}}" + "".join(f"{count:>{column},}" for count in counts)
            for name, counts in zip(names, metrics.confusion, strict=True)
        ]
    return lines


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))


def _cell(value: float, form: str) -> str:
    return "–" if np.isnan(value) else format(value, form)


def _short(name: str, length: int = 18) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
