"""Judges an agent by rows of a data set that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.learn.memory import first_batch
from unified.core.trainer.eval_result import EvalResult
from unified.core.trainer.evaluation import Evaluator, evaluation_mode
from unified.metrics import classification, generation, regression

if TYPE_CHECKING:
    from unified.core.envs.dataset import DataSuite, Rows
    from unified.core.learn.agent import Agent
    from unified.core.trainer.features import ClassifierFeatures

#: Rows that are answered at once, and pictures that are kept to look at.
BATCH, PICTURES = 512, 64
#: Rows ``(N, F)`` as they are compared, and the class of each ``(N,)`` where there are classes.
Known = tuple[np.ndarray, np.ndarray | None]


class DatasetEvaluator(Evaluator):
    """Lets the agent answer every row, without exploration, and compares with the targets; or lets it make as many, and compares the sets.

    Args:
        suite: Gives the rows of a split; each is asked for once, at the first judgement that needs it.
        features: Of a classifier, in which what was made is compared; ``None`` for the numbers themselves, bytes within [0, 1].
    """

    def __init__(self, suite: DataSuite, features: ClassifierFeatures | None = None) -> None:
        super().__init__(suite)
        self._make, self._spec, self._features = suite.rows, suite.spec(), features
        self._rows: Rows | None = None
        self._real: tuple[Known, Known] | None = None

    def _judge(self, agent: Agent, number: int | str, stopping: Callable[[], bool]) -> EvalResult | None:
        rows = self._rows = self._rows or self._make("test")
        answers, likely = [], []
        with evaluation_mode(agent), torch.no_grad():
            for start in range(0, len(rows), BATCH):
                if stopping():
                    return None
                inputs = torch.from_numpy(np.array(rows.inputs[start : start + BATCH])).to(agent.device)
                action = agent.act(first_batch(agent, inputs), explore=False)
                answers.append(action.env_action.cpu().numpy())
                likely += [] if action.probabilities is None else [action.probabilities.cpu().numpy()]
        answered = np.concatenate(answers)
        if self._spec.task_type == "generate":
            return self._compare_made(answered, rows)
        return self._compare(answered, rows, np.concatenate(likely) if likely else None)

    def _compare(self, answers: np.ndarray, rows: Rows, probabilities: np.ndarray | None) -> EvalResult:
        spec, targets = self._spec, np.asarray(rows.targets)
        if spec.action.n is None:
            numbers = regression.judged_regression(answers, targets, spec.target_range)
            return EvalResult(numbers.row(), metric="r2", report=regression.report(numbers))
        if probabilities is not None and not np.isfinite(probabilities).all():
            probabilities = None  # a policy that has come apart is judged all the same
        named = classification.judged_classification(answers, targets, spec.action.n, probabilities)
        names = spec.classes or tuple(map(str, range(spec.action.n)))
        pictures = captions = None
        if rows.inputs.dtype == np.uint8 and rows.inputs.ndim == 4:
            pictures = np.asarray(rows.inputs[:PICTURES])
            pairs = zip(targets[:PICTURES], answers[:PICTURES], strict=True)
            captions = [names[answer] if answer == truth else f"{names[truth]} → {names[answer]}" for truth, answer in pairs]
        report = classification.report(named, names)
        return EvalResult(named.row(), pictures=pictures, captions=captions, metric="accuracy", report=report)

    def _compare_made(self, made: np.ndarray, rows: Rows) -> EvalResult:
        """What was made against rows that were kept for it, and beside it what was trained on against the same."""
        self._real = self._real or (self._known(self._make("train"), len(rows)), self._known(rows, len(rows)))
        (train, train_classes), (test, classes) = self._real
        # What was made was made for the classes of the test rows, one for each.
        known = None if train_classes is None or classes is None else (train_classes, classes, classes)
        row: dict[str, Any] = {**generation.judged_generation(train, test, self._numbers(made), classes=known)}
        if self._features is not None:
            row["features"] = self._features.name
        judged = EvalResult(row, metric="coverage", report=generation.report(row))
        if made.dtype != np.uint8:
            return judged
        if classes is None:
            return replace(judged, pictures=made[:PICTURES])
        shown, each = by_class(classes, PICTURES)
        captions = [self._spec.classes[label] for label in classes[shown]]
        return replace(judged, pictures=made[shown], captions=captions, columns=each if each > 1 else None)

    def _known(self, rows: Rows, most: int) -> Known:
        """Real rows as they are compared, so many at most, and the class of each where something is made for a class."""
        spec = self._spec
        drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
        classes = np.argmax(rows.inputs[drawn], axis=1) if spec.space.size and spec.space.size == len(spec.classes) else None
        return self._numbers(np.asarray(rows.targets[drawn])), classes

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """What rows are compared by, ``(N, F)`` float32."""
        if self._features is not None:
            return self._features(rows)
        scale = np.float32(255.0 if rows.dtype == np.uint8 else 1.0)
        return rows.reshape(len(rows), -1).astype(np.float32) / scale


def by_class(classes: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Which rows to show, class by class, equally many of each that occurs; and how many of each.

    At most so many in all: where there are more classes, one of each of the first ones.

    >>> by_class(np.array([2, 0, 2, 0, 2]), 5)
    (array([1, 3, 0, 2]), 2)
    """
    counts = np.bincount(classes)
    present = np.flatnonzero(counts)[:most]
    each = int(max(1, min(most // len(present), counts[present].min())))
    return np.concatenate([np.flatnonzero(classes == label)[:each] for label in present]), each
