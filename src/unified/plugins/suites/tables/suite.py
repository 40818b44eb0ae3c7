"""Suites of scikit-learn's data sets, read from its wheel without network access, split by class. Torch-free."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from unified.core.base.spec import Space, Spec
from unified.core.envs.dataset import DataSuite, Rows, Split, extent, split, statistics, to_unit
from unified.plugins.suites.splits import SplitOptions


class Table(NamedTuple):
    """A published data set.

    `inputs` are ``(N, 1, 8, 8)`` uint8 or ``(N, D)`` float32, `targets` ``(N,)`` int64 or ``(N, 1)`` float64, and `classes` are the names
    of the classes, empty for regression.
    """

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]


class TableSuite(DataSuite):
    """One of scikit-learn's data sets."""

    #: Name after ``load_`` in `sklearn.datasets`.
    table: ClassVar[str]
    options: SplitOptions

    def native(self) -> Spec:
        table, inputs = read(self.table), self.data("train").inputs
        pictures = inputs.dtype == np.uint8
        mean, std = statistics(inputs)
        return Spec(
            observation=Space(inputs.shape[1:], "uint8", 0, 255) if pictures else Space(inputs.shape[1:], "float32"),
            action=choices(len(table.classes)) if table.classes else Space(table.targets.shape[1:], "float32", -1.0, 1.0),
            task_type="classify" if table.classes else "regress",
            mean=mean,
            std=std,
            classes=table.classes,
            target_range=None if table.classes else extent(self._targets("train")),
        )

    def data(self, split: Split) -> Rows:
        """The rows of one side of the split; regression targets are scaled so that the training rows span [-1, 1]."""
        table = read(self.table)
        targets = self._targets(split)
        return Rows(table.inputs[self._sides[split]], targets if table.classes else to_unit(targets, extent(self._targets("train"))))

    def _targets(self, split: Split) -> np.ndarray:
        targets: np.ndarray = read(self.table).targets[self._sides[split]]
        return targets

    @cached_property
    def _sides(self) -> dict[Split, Any]:
        table, options = read(self.table), self.options
        classes = table.targets if table.classes else None
        train, test = split(len(table.inputs), classes, options.test, options.split_seed, options.fold, options.folds)
        return {"train": train, "test": test}


class Digits(TableSuite):
    """Handwritten digits."""

    table = "digits"


class Iris(TableSuite):
    """Species of iris from measurements of their flowers."""

    table = "iris"


class Wine(TableSuite):
    """Growers of wine from its chemical analysis."""

    table = "wine"


class BreastCancer(TableSuite):
    """Tumours from the shapes of their cells."""

    table = "breast_cancer"


class Diabetes(TableSuite):
    """Progression of diabetes."""

    table = "diabetes"


def choices(count: int) -> Space:
    """The action space of a number of classes."""
    return Space((), "int64", 0, count - 1, count)


@cache
def read(name: str) -> Table:
    """Load a data set by name; its arrays are read-only, since all suites of this process share them."""
    from sklearn import datasets

    # scikit-learn scales diabetes by all rows, including the test rows: load the unscaled values.
    found = datasets.load_diabetes(scaled=False) if name == "diabetes" else getattr(datasets, f"load_{name}")()
    pictures = "images" in found  # of values from 0 to 16
    inputs = np.rint(found.images[:, None] * (255 / 16)).astype(np.uint8) if pictures else found.data.astype(np.float32)
    classes = tuple(map(str, found.target_names)) if "target_names" in found else ()
    targets = found.target.astype(np.int64) if classes else found.target.astype(np.float64)[:, None]
    for array in (inputs, targets):
        array.flags.writeable = False
    return Table(inputs, targets, classes)
