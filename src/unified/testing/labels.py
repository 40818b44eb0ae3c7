"""Probe data sets: a few simple rows that any network learns, for each task type. Torch-free.

| task | the input is | the target is |
|---|---|---|
| `classify` | three numbers around one of three centres, or a picture of one of three brightnesses | which |
| `regress` | three numbers | two sums of them, within [-1, 1] |
| `generate` | nothing | a picture of one of three brightnesses |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unified.core.base import suggest
from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.components.options import Options as Base
from unified.core.envs.dataset import DataSuite, Rows, Split

__all__ = ["LabelOptions", "Labels"]

TASKS = ("classify", "regress", "generate")
#: Number of training rows and test rows.
ROWS = {"train": 60, "test": 30}
SIDE = 12


class LabelOptions(Base):
    """Options of the probe data sets."""

    pixels: bool = False
    """Observe an image instead of a vector."""


class Labels(DataSuite):
    """``unified.testing.labels:Labels`` with one of `TASKS`; see the table above."""

    Options = LabelOptions

    def __init__(self, task: str, options: Any = None) -> None:
        given = {} if options is None else vars(options)
        super().__init__(task, options if isinstance(options, LabelOptions) else LabelOptions(**given))
        if task not in TASKS:
            raise UsageError(
                Problem(f"there is no probe data set {task!r}", suggest.did_you_mean(task, TASKS) or f"one of {', '.join(TASKS)}")
            )

    def native(self) -> Spec:
        pictures = Space((1, SIDE, SIDE), "uint8", 0, 255)
        if self.task == "generate":
            return Spec(pictures, pictures, task_type="generate")
        if self.task == "regress":
            bounds = ((-1.0, -1.0), (1.0, 1.0))
            return Spec(Space((3,), "float32"), Space((2,), "float32", -1.0, 1.0), task_type="regress", target_range=bounds)
        seen = pictures if self.options.pixels else Space((3,), "float32")
        return Spec(seen, Space((), "int64", 0, 2, 3), task_type="classify", classes=("low", "middle", "high"))

    def data(self, split: Split) -> Rows:
        random = np.random.default_rng(len(split))
        which = np.arange(ROWS[split]) % 3
        pictures = np.clip(which[:, None, None, None] * 100 + random.integers(0, 30, (len(which), 1, SIDE, SIDE)), 0, 255).astype(np.uint8)
        numbers = random.standard_normal((len(which), 3)).astype(np.float32)
        if self.task == "generate":
            return Rows(pictures, pictures)
        if self.task == "regress":
            return Rows(numbers, np.tanh(np.stack([numbers.sum(1), numbers[:, 0] - numbers[:, 1]], 1)).astype(np.float32))
        near = (np.eye(3, dtype=np.float32)[which] * 3 + 0.3 * numbers).astype(np.float32)
        return Rows(pictures if self.options.pixels else near, which.astype(np.int64))
