"""Data sets: suites of rows, inputs and targets, instead of environments. Imports no torch."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite

Split = Literal["train", "test"]

#: Bytes of pictures that are summed at once.
_CHUNK = 2**24


@dataclass(frozen=True)
class Rows:
    """Rows of a data set: arrays of equal length, in memory or mapped from a disk.

    Args:
        inputs: ``(N, *observation)``: pictures ``(N, C, H, W)`` uint8, or vectors ``(N, D)`` float32.
        targets: ``(N,)`` int64 for choices, ``(N, D)`` float32 for numbers, or pictures. The numbers of training rows lie within [-1, 1],
            least and greatest as ``spec.targets`` says; those of test rows may lie outside.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"there are {len(self.inputs)} inputs and {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)


class DataSuite(Suite):
    """A suite of rows. A subclass gives them with `native`; what they are used for are its options ``view`` and ``conditional``, where it
    has these.

    | view | observation | action |
    |---|---|---|
    | classify, regress | the input | the target |
    | generate | nothing | the input: a picture in bytes, a vector within [-1, 1] |
    | generate, conditional | the target: one number for each class, 1 for its own and 0 for the others, or numbers | the input |

    It is an environment of one step too (`OneStep`): agents that learn from rewards alone train on it as on any other.
    """

    placement = "inline"

    @abstractmethod
    def native(self) -> Spec:
        """What the rows look like where they are used for what they were made for.

        Its view is ``"classify"`` or ``"regress"``; ``"generate"`` where inputs have no targets.
        """

    @abstractmethod
    def data(self, split: Split) -> Rows:
        """The rows of `native` of the training set or of the test set."""

    def spec(self) -> Spec:
        """What the rows look like in the view that was chosen.

        Raises:
            UsageError: If they have no targets for that view.
        """
        return self._spec

    @cached_property
    def _spec(self) -> Spec:
        """Found once: a subclass may go through all its rows for their statistics."""
        native, task_type = self.native(), getattr(self.options, "task_type", "auto")
        task_type = native.task_type if task_type == "auto" else task_type
        self._refuse(native, task_type)
        if task_type != "generate":
            return replace(native, reward_range=(0.0, 1.0) if native.action.discrete else (-4.0, 0.0))
        made, targets = native.space, None
        if made.dtype != "uint8":
            made, targets = Space(made.shape, "float32", -1.0, 1.0), self._extent
        given, classes = self._given(native)
        parts: dict[str, Any] = {"observation": given, "action": made, "classes": classes, "target_range": targets}
        return replace(native, task_type="generate", reward_range=(-4.0, 0.0), mean=(), std=(), **parts)

    def _refuse(self, native: Spec, task_type: str) -> None:
        """What the targets are not, or what is not made for any."""
        if task_type not in (native.task_type, "generate"):
            has = {"classify": "classes", "regress": "numbers", "generate": "no targets"}[native.task_type]
            allowed = " or ".join(f"suite.task_type={each}" for each in dict.fromkeys((native.task_type, "generate")))
            raise UsageError(Problem(f"suite.task_type={task_type}: this data set has {has}", allowed))
        if self._conditional and task_type != "generate":
            raise UsageError(
                Problem("suite.conditional=true: nothing is generated here", "suite.task_type=generate   or an objective: -o flow")
            )
        if self._conditional and native.task_type == "generate":
            raise UsageError(
                Problem("suite.conditional=true: this data set has no targets to make anything for", "suite.conditional=false")
            )

    @property
    def _conditional(self) -> bool:
        return bool(getattr(self.options, "conditional", False))

    def _given(self, native: Spec) -> tuple[Space, tuple[str, ...]]:
        """What is observed where something is made, and the names of its numbers where these are classes."""
        choices = native.action.n
        if not self._conditional:
            return Space((0,), "float32", 0.0, 1.0), native.classes
        if choices is None:
            return native.action, ()
        return Space((choices,), "float32", 0.0, 1.0), native.classes or tuple(map(str, range(choices)))

    def rows(self, split: Split) -> Rows:
        """The rows in the view that was chosen."""
        rows, spec = self.data(split), self.spec()
        if spec.task_type != "generate":
            return rows
        made = rows.inputs if spec.target_range is None else to_unit(rows.inputs, spec.target_range)
        given = np.zeros((len(rows), 0), np.float32)
        if spec.space.size:
            of_classes = rows.targets.ndim == 1
            given = np.eye(spec.space.size, dtype=np.float32)[rows.targets] if of_classes else rows.targets.astype(np.float32)
        return Rows(given, made)

    @cached_property
    def _extent(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return extent(self.data("train").inputs)

    def environment(self) -> Environment:
        return OneStep(self.spec(), self.rows("train"))


class OneStep(Environment):
    """A row as an episode of one step: the input is seen, an answer is given, and the reward says how good it was.

    The reward is 1 for the right choice and 0 for another, or minus the mean squared error of numbers. A picture is answered by numbers
    within [-1, 1], which stand for its bytes.

    Args:
        spec: Of the rows.
        rows: That episodes are drawn from, evenly.
    """

    def __init__(self, spec: Spec, rows: Rows) -> None:
        action = Space(spec.action.shape, "float32", -1.0, 1.0) if spec.action.dtype == "uint8" else spec.action
        self.spec = replace(spec, action=action, episode_frames=1)
        self._judged, self._rows, self._row = spec, rows, 0

    def reset(self, seed: int) -> np.ndarray:  # type: ignore[override]  # without reset options
        self._row = int(np.random.default_rng(seed).integers(len(self._rows)))
        return np.array(self._rows.inputs[self._row])

    def step(self, action: np.ndarray) -> Step:
        target = self._rows.targets[self._row]
        reward = float(rewards(self._judged, np.asarray(action)[None], target[None])[0])
        return Step(np.array(self._rows.inputs[self._row]), reward, True, False)


def rewards(spec: Spec, answers: Any, targets: Any) -> Any:
    """What answers ``(B, *action)`` to rows are worth, ``(B,)``, for arrays and for tensors: 1 if right, or minus the mean squared error.

    Args:
        spec: Of the rows.
        answers: Choices, or numbers within [-1, 1].
        targets: As the rows have them; bytes of pictures are scaled to [-1, 1].
    """
    if spec.action.discrete:
        return answers == targets
    if spec.action.dtype == "uint8":
        targets = targets / 127.5 - 1.0
    return -((answers - targets) ** 2).reshape(len(targets), -1).mean(-1)


# What suites of rows are made with ----------------------------------------------------------------------------------------------


def split(count: int, classes: np.ndarray | None, share: float, seed: int, fold: int | None = None, folds: int = 5) -> tuple[Any, Any]:
    """Indices of the training and of the test rows, each in ascending order; a function of the arguments alone.

    Rows are shuffled, sorted by class, and dealt out evenly: every class has its share, give or take a row, and so has the whole.

    Args:
        count: N, of rows.
        classes: ``(N,)``, each row's; ``None`` for rows without classes.
        share: Share of test rows, if there are no folds.
        seed: Of the shuffle.
        fold: Fold of the test rows; the other folds are trained on.
        folds: How many there are; each row is in exactly one.

    Raises:
        UsageError: If one side has no rows.

    >>> train, test = split(10, np.repeat([0, 1], 5), 0.2, seed=0)
    >>> len(train), len(test), sorted(np.repeat([0, 1], 5)[test].tolist())
    (8, 2, [0, 1])
    """
    order = np.random.default_rng(seed).permutation(count)
    if classes is not None:
        order = order[np.argsort(np.asarray(classes)[order], kind="stable")]
    dealt = np.arange(count)
    shared = np.floor((dealt + 1) * share + 0.5) > np.floor(dealt * share + 0.5)
    tested = shared if fold is None else dealt % folds == fold
    if not tested.any() or tested.all():
        how = f"suite.test={share:g}" if fold is None else f"suite.folds={folds}"
        side = "training" if tested.any() else "test"
        raise UsageError(Problem(f"{count} rows with {how} leave no {side} rows", "suite.test=0.2, or more rows"))
    return np.sort(order[~tested]), np.sort(order[tested])


def statistics(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, for `Spec`: of each channel of pictures ``(N, C, H, W)`` uint8 as numbers in [0, 1], or of each number
    of vectors ``(N, D)``; a deviation of 0 counts as 1.
    """
    if inputs.dtype == np.uint8:
        mean, std = _of_channels(inputs)
    else:
        mean, std = inputs.mean(0, dtype=np.float64), inputs.std(0, dtype=np.float64)
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def _of_channels(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From exact sums of whole numbers, a part of the pictures at a time."""
    counts = np.zeros((pictures.shape[1], 256), np.int64)
    rows = max(1, _CHUNK // max(1, pictures[0].size)) if len(pictures) else 1
    for start in range(0, len(pictures), rows):
        for channel, bytes_ in enumerate(pictures[start : start + rows].swapaxes(0, 1)):
            counts[channel] += np.bincount(bytes_.ravel(), minlength=256)
    values = np.arange(256) / 255.0
    mean = counts @ values / counts.sum(1)
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(1) / counts.sum(1))


def extent(numbers: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Least and greatest of each number of vectors ``(N, D)``, for ``spec.targets``."""
    return tuple(numbers.min(0).astype(np.float64).tolist()), tuple(numbers.max(0).astype(np.float64).tolist())


def to_unit(numbers: np.ndarray, within: tuple[tuple[float, ...], tuple[float, ...]]) -> np.ndarray:
    """Vectors ``(N, D)`` scaled so that `within`, least and greatest, become -1 and 1; a number that never changes becomes 0."""
    low, high = (np.asarray(bound, np.float64) for bound in within)
    half = (high - low) / 2
    scaled: np.ndarray = ((numbers - (low + high) / 2) / np.where(half > 0, half, 1.0)).astype(np.float32)
    return scaled
