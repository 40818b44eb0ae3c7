"""Gymnasium environments that are handed over: an object, its class, or a function that makes one. Never imports torch."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import EzPickle

from unified.core.base.errors import Problem, UsageError
from unified.core.components.fingerprint import contents, is_plain
from unified.core.envs.adapters import SuiteAdapter
from unified.core.envs.suite import Environment
from unified.plugins.suites.gym.environment import GymEnvironment, make

#: Attributes that say nothing of the task: how it is drawn, and the seed that nobody gave.
_ASIDE = ("render_mode", "spec", "_np_random_seed")


class GymObject(SuiteAdapter):
    """A `gymnasium.Env` as it is: a copy, or, where it cannot be copied, one of its registration. The caller's own is never touched."""

    def another(self, thing: Any) -> Any:
        try:
            made = super().another(_Copied(thing)).made
        except UsageError as error:
            refused = error
        else:
            if _alike(made, thing):
                return _with_pictures(made)
            refused = UsageError(Problem(f"{self.name} was changed, and a copy of it is not", "pass a function that makes it"))
        with suppress(Exception):  # a wrapper that cannot be made anew
            made = make(thing.spec) if thing.spec is not None else None
            if made is not None and _alike(made, thing):
                return made
        raise refused

    def adapt(self, made: Any) -> Environment:
        if not isinstance(made, gymnasium.Env):
            raise UsageError(Problem(f"{self.name} makes {type(made).__name__}, which is no gymnasium.Env"))
        return GymEnvironment(self.name, self.options, made)

    @cached_property
    def _goals(self) -> GymEnvironment:
        """The environment that recomputes rewards; nothing steps it."""
        environment = self.environment()
        assert isinstance(environment, GymEnvironment)
        return environment

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_reward(achieved, desired)

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self._goals.compute_terminated(achieved, desired)


class _Copied:
    """Its deep copy holds a copy of an environment, which is the environment and not one made anew with the same arguments.

    Args:
        env: The environment.
    """

    def __init__(self, env: Any) -> None:
        self.made = env

    def __deepcopy__(self, memo: dict[int, Any]) -> _Copied:
        inner = self.made.unwrapped
        if isinstance(inner, EzPickle):  # copies itself by calling its class again: whatever was changed since would be lost
            twin = memo[id(inner)] = type(inner).__new__(type(inner))
            vars(twin).update(copy.deepcopy(vars(inner), memo))
        return _Copied(copy.deepcopy(self.made, memo))


def _alike(made: Any, thing: Any) -> bool:
    """Whether the plain attributes of an environment, within all wrappers, are those of another one."""
    plain = {name: value for name, value in vars(thing.unwrapped).items() if name not in _ASIDE and is_plain(value)}
    theirs = vars(made.unwrapped)
    return contents(plain) == contents({name: theirs.get(name) for name in plain})


def _with_pictures(env: Any) -> Any:
    """The environment, drawn where it can be."""
    inner = env.unwrapped
    if getattr(inner, "render_mode", None) != "rgb_array" and "rgb_array" in inner.metadata.get("render_modes", ()):
        inner.render_mode = "rgb_array"
    return env
