"""A `torch.utils.data.Dataset` as a suite: an object, its class, a function that returns one, or an import path of these."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.components import import_paths
from unified.core.envs.adapters import ObjectSuite
from unified.core.envs.dataset import DataSuite, Rows, Split, extent, split, statistics, to_unit
from unified.plugins.suites.dataset.items import Items, read
from unified.plugins.suites.splits import SplitOptions


class DatasetSuite(ObjectSuite, DataSuite):
    """Rows that are read once into memory; some of them are the test rows, or a function returns both sets: ``(train, test)``.

    Integer, boolean and text targets are classes, float targets are regression targets; items without targets are for generation.
    """

    options: SplitOptions
    #: Number of training rows, where training and test set are two.
    _trained: int | None = None

    def native(self) -> Spec:
        items, inputs = self._items, self._rows["train"].inputs
        mean, std = statistics(inputs)
        pictures = inputs.ndim == 4
        seen = Space(inputs.shape[1:], "uint8", 0, 255) if pictures else Space(inputs.shape[1:], "float32")
        if items.classes:
            choice = Space((), "int64", 0, len(items.classes) - 1, len(items.classes))
            return Spec(seen, choice, task_type="classify", mean=mean, std=std, classes=items.classes)
        numbers = Space(items.targets.shape[1:], "float32", -1.0, 1.0)
        if not numbers.size:
            return Spec(seen, numbers, task_type="generate", mean=mean, std=std)
        return Spec(seen, numbers, task_type="regress", mean=mean, std=std, target_range=extent(items.targets[self._sides["train"]]))

    def data(self, split: Split) -> Rows:
        return self._rows[split]

    def notes(self) -> list[str]:
        again = f"{self.name} returns another input when an item is read again: rows are read once, so use augmentations of the agent"
        notes = [] if self._items.steady else [again]
        if len(self._items.classes) == 1:
            notes.append(f"all items of {self.name} have the class {self._items.classes[0]!r}")
        seen = set(self._rows["train"].targets.tolist()) if self._items.classes else set()
        if unseen := [name for number, name in enumerate(self._items.classes) if number not in seen]:
            some = f"{', '.join(unseen[:5])}{', …' if len(unseen) > 5 else ''}"
            notes.append(f"{len(unseen)} classes of {self.name} have no training row, since they have one item each: {some}")
        return notes

    @cached_property
    def _items(self) -> Items:
        made = self.make()
        if isinstance(made, tuple) and len(made) == 2:
            made = _TrainAndTest(*made)
            self._trained = made.trained
        if not hasattr(made, "__getitem__"):
            raise UsageError(Problem(f"{self.name} makes {type(made).__name__}, which is not a torch.utils.data.Dataset"))
        return read(made, self.name, self.options.task_type == "regress")

    @cached_property
    def _sides(self) -> dict[Split, Any]:
        items, options = self._items, self.options
        if self._trained is not None:
            return {"train": np.arange(self._trained), "test": np.arange(self._trained, len(items.inputs))}
        classes = items.targets if items.classes else None
        train, test = split(len(items.inputs), classes, options.test, options.split_seed, options.fold, options.folds)
        return {"train": train, "test": test}

    @cached_property
    def _rows(self) -> dict[Split, Rows]:
        items = self._items
        targets = items.targets
        if not items.classes and targets.size:
            targets = to_unit(targets, extent(targets[self._sides["train"]]))
        return {side: Rows(items.inputs[index], targets[index]) for side, index in self._sides.items()}


class _TrainAndTest:
    """A training set and a test set, one after the other."""

    def __init__(self, train: Any, test: Any) -> None:
        self.sets, self.trained = (train, test), len(train)
        self.classes = getattr(train, "classes", None)

    def __len__(self) -> int:
        return sum(map(len, self.sets))

    def __getitem__(self, index: int) -> Any:
        return self.sets[0][index] if index < self.trained else self.sets[1][index - self.trained]


class NamedDataset(DatasetSuite):
    """``dataset:package.module:Name``, the same as ``package.module:Name`` alone."""

    def __init__(self, task: str, options: Any) -> None:
        reference = import_paths.parse(task)
        if reference is None:
            raise UsageError(Problem(f"dataset:{task} names no data set", "give a file or module and a name: --suite ./file.py:Name"))
        super().__init__(import_paths.load(reference, "suites"), reference.task, options)
