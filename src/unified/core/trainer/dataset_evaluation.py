"""Evaluation on the test rows of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.files import has_shape
from unified.core.learn.memory import first_batch
from unified.core.trainer.eval_result import EvalResult
from unified.core.trainer.evaluation import Evaluator, evaluation_mode
from unified.metrics import classification, generation, regression

if TYPE_CHECKING:
    from unified.core.envs.dataset import DataSuite, Rows, Split
    from unified.core.learn.agent import Agent
    from unified.core.trainer.features import ClassifierFeatures

#: Rows per batch, and number of pictures in the result.
BATCH, PICTURES = 512, 64
#: Features ``(N, F)`` of rows, and the class of each ``(N,)`` for class-conditional tasks.
Features = tuple[np.ndarray, np.ndarray | None]


class DatasetEvaluator(Evaluator):
    """Compares predictions with the targets of the test rows, or as many generated rows with the test rows.

    Args:
        suite: Data set; each split is loaded once, when it is first needed.
        features: Features for the comparison of generated rows; ``None`` compares the rows themselves, bytes scaled to [0, 1].
        samples: Most rows that are generated and compared, unless the evaluation is `whole`; ``None`` for all.
    """

    def __init__(self, suite: DataSuite, features: ClassifierFeatures | None = None, samples: int | None = None) -> None:
        super().__init__(suite)
        self._make, self._spec, self._features, self._samples = suite.rows, suite.spec(), features, samples
        self._loaded: dict[Split, Rows] = {}
        self._real: dict[int, tuple[Features, Features]] = {}  # by the number of rows

    def _split(self, split: Split) -> Rows:
        if split not in self._loaded:
            self._loaded[split] = self._make(split)
        return self._loaded[split]

    def is_whole(self, row: Mapping[str, Any]) -> bool:
        if self._spec.task_type != "generate":
            return True
        return has_shape(row, {"samples": int}) and row["samples"] >= min(len(self._split("train")), len(self._split("test")))

    def _evaluate(self, agent: Agent, number: int | str, stopping: Callable[[], bool]) -> EvalResult | None:
        rows = self._split("test")
        if self._spec.task_type == "generate" and not self.whole and self._samples is not None:
            rows = _drawn(rows, self._samples)
        answers, probabilities_ = [], []
        with evaluation_mode(agent), torch.no_grad():
            for start in range(0, len(rows), BATCH):
                if stopping():
                    return None
                inputs = torch.from_numpy(np.array(rows.inputs[start : start + BATCH])).to(agent.device)
                action = agent.act(first_batch(agent, inputs), explore=False)
                answers.append(action.env_action.cpu().numpy())
                probabilities_ += [] if action.probabilities is None else [action.probabilities.cpu().numpy()]
        answered = np.concatenate(answers)
        if self._spec.task_type == "generate":
            return self._compare_generated(answered, rows)
        return self._compare(answered, rows, np.concatenate(probabilities_) if probabilities_ else None)

    def _compare(self, answers: np.ndarray, rows: Rows, probabilities: np.ndarray | None) -> EvalResult:
        spec, targets = self._spec, np.asarray(rows.targets)
        if spec.action.n is None:
            numbers = regression.regression_metrics(answers, targets, spec.target_range)
            return EvalResult(numbers.row(), metric="r2", report=regression.report(numbers))
        if probabilities is not None and not np.isfinite(probabilities).all():
            probabilities = None  # a diverged policy is evaluated without them
        named = classification.classification_metrics(answers, targets, spec.action.n, probabilities)
        names = spec.classes or tuple(map(str, range(spec.action.n)))
        pictures = captions = None
        if rows.inputs.dtype == np.uint8 and rows.inputs.ndim == 4:
            pictures = np.asarray(rows.inputs[:PICTURES])
            pairs = zip(targets[:PICTURES], answers[:PICTURES], strict=True)
            captions = [names[answer] if answer == truth else f"{names[truth]} → {names[answer]}" for truth, answer in pairs]
        report = classification.report(named, names)
        return EvalResult(named.row(), pictures=pictures, captions=captions, metric="accuracy", report=report)

    def _compare_generated(self, generated: np.ndarray, rows: Rows) -> EvalResult:
        """Compare generated rows with test rows, and training rows with test rows for the floor."""
        if len(rows) not in self._real:
            self._real[len(rows)] = self._features_of(_drawn(self._split("train"), len(rows))), self._features_of(rows)
        (train, train_classes), (test, classes) = self._real[len(rows)]
        # One row is generated for the class of each test row.
        known = None if train_classes is None or classes is None else (train_classes, classes, classes)
        row: dict[str, Any] = {**generation.generation_metrics(train, test, self._numbers(generated), classes=known)}
        if self._features is not None:
            row["features"] = self._features.name
        result = EvalResult(row, metric="coverage", report=generation.report(row))
        if generated.dtype != np.uint8:
            return result
        if classes is None:
            return replace(result, pictures=generated[:PICTURES])
        shown, per_class = by_class(classes, PICTURES)
        captions = [self._spec.classes[label] for label in classes[shown]]
        return replace(result, pictures=generated[shown], captions=captions, columns=per_class if per_class > 1 else None)

    def _features_of(self, rows: Rows) -> Features:
        """Features of real rows, and the class of each for class-conditional tasks."""
        spec = self._spec
        classes = np.argmax(rows.inputs, axis=1) if spec.space.size and spec.space.size == len(spec.classes) else None
        return self._numbers(np.asarray(rows.targets)), classes

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """Features of rows, ``(N, F)`` float32."""
        if self._features is not None:
            return self._features(rows)
        scale = np.float32(255.0 if rows.dtype == np.uint8 else 1.0)
        return rows.reshape(len(rows), -1).astype(np.float32) / scale


def _drawn(rows: Rows, most: int) -> Rows:
    """At most `most` of the rows, always the same ones, in their order."""
    drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
    return replace(rows, inputs=rows.inputs[drawn], targets=rows.targets[drawn])


def by_class(classes: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Indices of at most `most` rows, ordered by class with equally many per class; and the number per class.

    With more classes than `most`, one row of each of the first classes.

    >>> by_class(np.array([2, 0, 2, 0, 2]), 5)
    (array([1, 3, 0, 2]), 2)
    """
    counts = np.bincount(classes)
    present = np.flatnonzero(counts)[:most]
    per_class = int(max(1, min(most // len(present), counts[present].min())))
    return np.concatenate([np.flatnonzero(classes == label)[:per_class] for label in present]), per_class
