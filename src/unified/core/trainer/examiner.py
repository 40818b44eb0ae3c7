"""Judges an agent by rows of a data set that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.judging import classification, generation, regression
from unified.core.judging.judged import Judged
from unified.core.trainer.evaluator import Judge, unnoticed

if TYPE_CHECKING:
    from unified.core.agent import Agent
    from unified.core.data import Rows, Split
    from unified.core.spec import Spec

#: Rows that are answered at once, and pictures that are kept to look at.
BATCH, PICTURES = 512, 64


class Examiner(Judge):
    """Lets the agent answer every row, without exploration, and compares with the targets; or lets it make as many, and compares the sets.

    Args:
        rows: Gives the rows of a split; each is asked for once, at the first judgement that needs it.
        spec: Of the rows.
    """

    def __init__(self, rows: Callable[[Split], Rows], spec: Spec) -> None:
        self._make, self._spec = rows, spec
        self._rows: Rows | None = None
        self._trained: np.ndarray | None = None

    def judge(self, agent: Agent, number: int | str, stopping: Callable[[], bool] = lambda: False) -> Judged | None:
        rows = self._rows = self._rows or self._make("test")
        answers = []
        with unnoticed(agent), torch.no_grad():
            for start in range(0, len(rows), BATCH):
                if stopping():
                    return None
                inputs = torch.from_numpy(np.array(rows.inputs[start : start + BATCH])).to(agent.device)
                answers.append(agent.act(inputs, explore=False).enacted.cpu().numpy())
        return self._compare(np.concatenate(answers), rows)

    def _compare(self, answers: np.ndarray, rows: Rows) -> Judged:
        spec, targets = self._spec, np.asarray(rows.targets)
        if spec.view == "generate":
            return self._compare_made(answers, targets)
        if spec.action.choices is None:
            found = regression.judged_regression(answers, targets, spec.targets)
            return Judged(found.row(), metric="r2", report=regression.report(found))
        named = classification.judged_classification(answers, targets, spec.action.choices)
        names = spec.classes or tuple(map(str, range(spec.action.choices)))
        pictures = captions = None
        if rows.inputs.dtype == np.uint8 and rows.inputs.ndim == 4:
            pictures = np.asarray(rows.inputs[:PICTURES])
            pairs = zip(targets[:PICTURES], answers[:PICTURES], strict=True)
            captions = [names[answer] if answer == truth else f"{names[truth]} → {names[answer]}" for truth, answer in pairs]
        report = classification.report(named, names)
        return Judged(named.row(), pictures=pictures, captions=captions, metric="accuracy", report=report)

    def _compare_made(self, made: np.ndarray, real: np.ndarray) -> Judged:
        """What was made against rows that were kept for it, and beside it what was trained on against the same."""
        self._trained = self._trained if self._trained is not None else np.asarray(self._make("train").targets)
        pictures = None
        if real.dtype == np.uint8:
            pictures = made[:PICTURES]
        scale = np.float32(255.0 if real.dtype == np.uint8 else 1.0)
        train, test, made = (rows.reshape(len(rows), -1).astype(np.float32) / scale for rows in (self._trained, real, made))
        row: dict[str, Any] = {**generation.judged_generation(train, test, made)}
        return Judged(row, pictures=pictures, metric="coverage", report=generation.report(row))
