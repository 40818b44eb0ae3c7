"""Data sets: suites whose experience is there already, as rows of inputs and targets. Torch-free."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from unified.core.spec import Space, Spec
from unified.core.suite import Environment, Step, Suite

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Rows:
    """Rows of a data set: arrays of equal length, in memory or mapped from a disk.

    Args:
        inputs: ``(N, *observation)``: pictures ``(N, C, H, W)`` uint8, or vectors ``(N, D)`` float32.
        targets: ``(N,)`` int64 for choices, ``(N, D)`` float32 within [-1, 1] for numbers (as ``spec.targets`` says), or pictures.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"there are {len(self.inputs)} inputs and {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)


class DataSuite(Suite):
    """A suite of rows. A subclass gives them with `native`; what they are used for is its option ``view``, where it has one.

    | view | observation | action |
    |---|---|---|
    | classify, regress | the input | the target |
    | generate | nothing, or the target | the input |

    It is an environment of one step too (`OneStep`): agents that learn from rewards alone train on it as on any other.
    """

    placement = "inline"

    @abstractmethod
    def native(self) -> Spec:
        """What the rows look like where they are used for what they were made for: view ``"classify"`` or ``"regress"``."""

    @abstractmethod
    def data(self, split: Split) -> Rows:
        """The rows of `native`, those that are trained on or those that are judged by."""

    def spec(self) -> Spec:
        """What the rows look like in the view that was chosen."""
        native = self.native()
        if getattr(self.options, "view", "auto") != "generate":
            return native
        condition = Space((0,), "float32", 0.0, 1.0)
        return replace(native, view="generate", observation=condition, action=native.observation, mean=(), std=(), targets=None)

    def rows(self, split: Split) -> Rows:
        """The rows in the view that was chosen."""
        rows = self.data(split)
        if self.spec().view != "generate":
            return rows
        return Rows(np.zeros((len(rows), 0), np.float32), rows.inputs)

    def environment(self) -> Environment:
        return OneStep(self.spec(), self.rows("train"))


class OneStep(Environment):
    """A row as an episode of one step: the input is seen, an answer is given, and the reward says how good it was.

    The reward is 1 for the right choice and 0 for another, or minus the mean squared error of numbers.

    Args:
        spec: Of the rows.
        rows: That episodes are drawn from, evenly.
    """

    def __init__(self, spec: Spec, rows: Rows) -> None:
        self.spec = replace(spec, episode_frames=1)
        self._rows, self._row = rows, 0

    def reset(self, seed: int) -> np.ndarray:
        self._row = int(np.random.default_rng(seed).integers(len(self._rows)))
        return np.asarray(self._rows.inputs[self._row])

    def step(self, action: np.ndarray) -> Step:
        reward = float(rewards(self.spec, np.asarray(action)[None], self._rows.targets[self._row][None])[0])
        return Step(np.asarray(self._rows.inputs[self._row]), reward, True, False)


def rewards(spec: Spec, answers: Any, targets: Any) -> Any:
    """What answers ``(B, *action)`` to rows are worth, ``(B,)``, for arrays and for tensors: 1 if right, or minus the mean squared error."""
    if spec.action.discrete:
        return answers == targets
    return -((answers - targets) ** 2).reshape(len(targets), -1).mean(-1)
