"""Whole arrays in the spaces of Gymnasium as those of a task, and back: what `spaces` does for one observation or action at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Spec
from unified.logged.episodes import Array, Observations, Units
from unified.plugins.suites.gym.environment import find
from unified.plugins.suites.gym.spaces import Leaf, action_range, choices_of, described, is_picture, leaves_of, selected


class GymUnits(Units):
    """Of a task of Gymnasium, by its spaces (`Spec.interface`).

    Args:
        spec: Of the task.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.action_space: Any = described(spec.interface["action"])
        seen = spec.interface["observation"]
        self.observation_space: Any = None if seen is None else described(seen)  # rendered pictures have none
        self.leaves = [] if seen is None else selected("the data", list(leaves_of(self.observation_space)), spec.interface["observe"])

    def observations(self, logged: Observations) -> dict[str, Array]:
        if not self.leaves:
            return super().observations(logged)
        found = {leaf.name: _seen(leaf, _value(logged, leaf)) for leaf in self.leaves}
        return super().observations(next(iter(found.values())) if len(found) == 1 else found)

    def actions(self, logged: Array) -> Array:
        space, array = self.action_space, np.asarray(logged)
        if array.shape[1:] != space.shape and not (array.ndim == 2 and array.shape[1:] == (1,) and not space.shape):
            raise _other(f"actions are {array.shape[1:]} there and {space.shape} here")
        if isinstance(space, spaces.Box):
            low, high = action_range(space)
            scaled = (array.reshape(len(array), -1).astype(np.float64) - low) * (2.0 / (high - low)) - 1.0
            within: Array = np.clip(scaled, -1.0, 1.0).astype(np.float32)
            return within
        whole = array.reshape(len(array), -1)
        if not np.array_equal(whole, np.rint(whole)):
            raise _other(f"actions are numbers there and {space} here")
        numbers = whole.astype(np.int64) - np.ravel(getattr(space, "start", 0))
        if isinstance(space, spaces.Discrete):
            return super().actions(numbers[:, 0])
        counts = np.full(math.prod(space.shape), 2) if isinstance(space, spaces.MultiBinary) else np.ravel(space.nvec)
        if ((numbers < 0) | (numbers >= counts)).any():
            raise _other(f"actions go beyond {space}")
        return super().actions(np.ravel_multi_index(tuple(numbers.T), tuple(int(count) for count in counts)))

    def logged_observations(self, columns: Mapping[str, Array]) -> Observations:
        if not self.leaves:
            return super().logged_observations(columns)
        if len(self.leaves) == 1 and not self.leaves[0].path:
            return _logged(self.leaves[0], columns["obs"])
        tree: dict[str, Any] = {}
        for leaf in self.leaves:
            *above, name = map(str, leaf.path)
            group = tree
            for key in above:
                group = group.setdefault(key, {})
            group[name] = _logged(leaf, columns["obs" if "obs" in columns else f"obs.{leaf.name}"])
        return tree

    def logged_actions(self, actions: Array) -> Array:
        space = self.action_space
        if isinstance(space, spaces.Box):
            low, high = action_range(space)
            scaled = np.clip(low + (np.clip(actions, -1.0, 1.0).astype(np.float64) + 1.0) * (high - low) / 2.0, low, high)
            scaled = np.rint(scaled) if space.dtype.kind in "iu" else scaled
            return scaled.astype(space.dtype).reshape(len(actions), *space.shape)
        start = getattr(space, "start", 0)
        if isinstance(space, spaces.Discrete):
            return actions.astype(np.int64) + int(start)
        counts = np.full(math.prod(space.shape), 2) if isinstance(space, spaces.MultiBinary) else np.ravel(space.nvec)
        numbers = np.stack(np.unravel_index(actions.astype(np.int64), tuple(int(count) for count in counts)), axis=1)
        enacted: Array = (numbers.reshape(len(actions), *space.shape) + start).astype(space.dtype)
        return enacted

    def environment(self, task: str) -> Any:
        return find(task)

    def spaces(self) -> tuple[Any, Any]:
        if self.observation_space is None:
            return super().spaces()[0], self.action_space
        if not isinstance(self.observation_space, spaces.Dict):
            return self.observation_space, self.action_space
        tree: dict[str, Any] = {}
        for leaf in self.leaves:
            *above, name = map(str, leaf.path)
            group = tree
            for key in above:
                group = group.setdefault(key, {})
            group[name] = leaf.space
        return _nested(tree), self.action_space


def _nested(tree: Any) -> Any:
    return spaces.Dict({name: _nested(each) for name, each in tree.items()}) if isinstance(tree, dict) else tree


def _value(logged: Any, leaf: Leaf) -> Array:
    """The array of a leaf ``(S, …)``."""
    for key in leaf.path:
        if not isinstance(logged, Mapping) or str(key) not in logged:
            there = ", ".join(logged) if isinstance(logged, Mapping) else f"one of {np.shape(logged)[1:]}"
            raise _other(f"observations are {there} there, without {leaf.name}")
        logged = logged[str(key)]
    if isinstance(logged, Mapping):
        raise _other(f"observations are {', '.join(logged)} there and {leaf.space.shape} here")
    array = np.asarray(logged)
    if array.shape[1:] != leaf.space.shape and not (isinstance(leaf.space, spaces.Discrete) and array[:1].size == 1):
        raise _other(f"observations are {array.shape[1:]} there and {leaf.space.shape} here")
    return array


def _seen(leaf: Leaf, array: Array) -> Array:
    """A leaf's array as the agent sees it."""
    space, rows = leaf.space, len(array)
    if is_picture(space):
        if len(space.shape) == 2:
            return array[:, None]
        return array if space.shape[0] < space.shape[2] else np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts, start = choices_of(space)
        numbers = array.reshape(rows, -1).astype(np.int64) - start.ravel()
        if ((numbers < 0) | (numbers >= counts)).any():
            raise _other(f"observations go beyond {space}")
        vector = np.zeros((rows, int(counts.sum())), np.float32)
        np.put_along_axis(vector, numbers + np.cumsum(counts) - counts, 1.0, axis=1)
        return vector
    return array.reshape(rows, -1).astype(np.float32)


def _logged(leaf: Leaf, seen: Array) -> Array:
    """What `_seen` made of an array, as it was."""
    space, rows = leaf.space, len(seen)
    if is_picture(space):
        if len(space.shape) == 2:
            return seen[:, 0].astype(space.dtype)
        turned = seen if space.shape[0] < space.shape[2] else np.ascontiguousarray(seen.transpose(0, 2, 3, 1))
        return turned.astype(space.dtype)
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        counts, start = choices_of(space)
        pieces = np.split(seen, np.cumsum(counts)[:-1], axis=1)
        numbers = np.stack([piece.argmax(axis=1) for piece in pieces], axis=1) + start.ravel()
        return numbers.reshape(rows, *space.shape).astype(space.dtype)
    return seen.reshape(rows, *space.shape).astype(space.dtype)


def _other(what: str) -> UsageError:
    return UsageError(Problem(f"the data is of another task: {what}", "the suite whose task was logged"))
