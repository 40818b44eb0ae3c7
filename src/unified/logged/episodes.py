"""Logged episodes as the slots of a replay: T + 1 for T steps, so that no observation is taken from another episode."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space, Spec

Array: TypeAlias = "np.ndarray[Any, Any]"
#: One array, or named ones, possibly nested: as the data set has it.
Observations: TypeAlias = "Array | Mapping[str, Any]"


@dataclass(frozen=True)
class Piece:
    """Consecutive slots of whole episodes.

    Args:
        observation: ``(S, …)``, or named ones.
        action: ``(S, …)``, in the units of the environment; of a last slot it means nothing.
        reward: ``(S,)``; 0 in a last slot.
        terminated: ``(S,)`` bool: what follows the step counts for nothing. A time limit is no such end.
        last: ``(S,)`` bool: the slot has the last observation of its episode, and no action.
        step: ``(S,)``: number of the slot within its episode.
    """

    observation: Observations
    action: Array
    reward: Array
    terminated: Array
    last: Array
    step: Array


class LoggedData(ABC):
    """Logged episodes of one task."""

    #: Slots of all episodes.
    slots: int

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """All episodes in their order, a few thousand rows at a time."""


class Units:
    """How logged observations and actions become those of a task, and back. All functions take whole arrays.

    This one takes data as a `Spec` has it; the suite ``gym`` has its own, for the spaces of Gymnasium (`SuiteComponent.units`).

    Args:
        spec: Of the task.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def observations(self, logged: Observations) -> dict[str, Array]:
        """Columns ``obs`` or ``obs.NAME`` ``(S, *observation)`` of logged observations.

        Raises:
            UsageError: If they are those of another task.
        """
        if isinstance(self.spec.observation, Space):
            return {"obs": fitting("observations", logged, self.spec.observation)}
        if not isinstance(logged, Mapping) or logged.keys() != self.spec.observation.keys():
            raise _other(f"observations are {_names(logged)} there and {', '.join(self.spec.observation)} here")
        return {f"obs.{name}": fitting(f"observation {name}", logged[name], space) for name, space in self.spec.observation.items()}

    def actions(self, logged: Array) -> Array:
        """Actions ``(S, *action)`` of the task's `Spec`.

        Raises:
            UsageError: If they are those of another task.
        """
        return fitting("actions", logged, self.spec.action)

    def logged_observations(self, columns: Mapping[str, Array]) -> Observations:
        """Observations as another library logs them, of columns ``obs`` or ``obs.NAME``."""
        return columns["obs"] if "obs" in columns else {name.removeprefix("obs."): values for name, values in columns.items()}

    def logged_actions(self, actions: Array) -> Array:
        """Actions as the environment takes them, of those of the `Spec`."""
        return actions

    def environment(self, task: str) -> Any:
        """Gymnasium's specification of the environment of a task; ``None`` if it has none."""
        return None

    def spaces(self) -> tuple[Any, Any]:
        """Gymnasium's spaces of observation and action, for libraries that store them."""
        from gymnasium import spaces

        def of(space: Space) -> Any:
            if space.n is not None and not space.shape:
                return spaces.Discrete(space.n)
            low, high = space.bounds()
            kind = np.dtype(space.dtype).type
            return spaces.Box(low.astype(kind), high.astype(kind), space.shape, kind)

        seen = self.spec.observation
        return of(seen) if isinstance(seen, Space) else spaces.Dict({name: of(space) for name, space in seen.items()}), of(self.spec.action)


def fitting(what: str, array: Any, space: Space) -> Array:
    """An array ``(S, *shape)`` of a space, reshaped where only axes differ and cast where nothing is lost.

    Raises:
        UsageError: If it is of another size or kind.
    """
    if isinstance(array, Mapping):
        raise _other(f"{what} are {_names(array)} there and {space.shape} here")
    array = np.asarray(array)
    kinds = "iub" if np.dtype(space.dtype).kind in "iu" else "fiub"
    if math.prod(array.shape[1:]) != space.size or array.dtype.kind not in kinds:
        raise _other(f"{what} are {array.shape[1:]} {array.dtype} there and {space.shape} {space.dtype} here")
    if space.n is not None and len(array) and (array.min() < 0 or array.max() >= space.n):
        raise _other(f"{what} go from {array.min()} to {array.max()} there and from 0 to {space.n - 1} here")
    return array.reshape(len(array), *space.shape).astype(space.dtype, copy=False)


def _names(logged: Any) -> str:
    return ", ".join(map(str, logged)) if isinstance(logged, Mapping) else str(np.shape(logged)[1:])


def _other(what: str) -> UsageError:
    return UsageError(Problem(f"the data is of another task: {what}", "the suite whose task was logged"))


def as_slots(read: Callable[[str], Any], ends: Array, terminated: Array, final: Callable[[], Any] | None) -> Piece:
    """Rows of steps (one for each action) as slots.

    An episode's last observation is the one after its last action. Where it was not logged, the last step of an episode that was cut off
    loses its action, because nobody knows where it led; after a step that terminated nothing counts, and its own observation stands there.

    Args:
        read: Reads a column of these rows by name: ``observations, actions, rewards``, ``(N, …)``.
        ends: ``(N,)`` bool: the row is the last of its episode; true for the last row.
        terminated: ``(N,)`` bool.
        final: Reads the observation after each row, where these were logged.
    """
    kept = ends if final is not None else ends & terminated  # rows with a slot of their own behind them
    source = np.repeat(np.arange(len(ends)), 1 + kept)
    behind = np.concatenate([[False], source[1:] == source[:-1]])
    last = behind | (ends & ~kept)[source]
    first = np.concatenate([[True], last[:-1]])
    slots = np.arange(len(source))
    step = slots - np.maximum.accumulate(np.where(first, slots, 0))
    observation = _taken(read("observations"), source)
    if final is not None:
        _replace(observation, behind, final(), source[behind])
    return Piece(
        observation,
        np.asarray(read("actions"))[source],
        np.where(last, 0.0, np.asarray(read("rewards"))[source]).astype(np.float32),
        terminated[source] & ~last,
        last,
        step.astype(np.int32),
    )


def _taken(observation: Any, rows: Array) -> Any:
    if isinstance(observation, Mapping):
        return {name: _taken(each, rows) for name, each in observation.items()}
    return np.asarray(observation)[rows]


def _replace(observation: Any, where: Array, after: Any, rows: Array) -> None:
    if isinstance(observation, Mapping):
        for name, each in observation.items():
            _replace(each, where, after[name], rows)
    else:
        observation[where] = np.asarray(after)[rows]
