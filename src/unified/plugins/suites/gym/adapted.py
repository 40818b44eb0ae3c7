"""Gymnasium environments from Python: an object, its class, or a function that returns one. Does not import torch."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from unified.core.base.errors import Problem, UsageError
from unified.core.components.fingerprint import contents, is_plain
from unified.core.envs.adapters import SuiteAdapter
from unified.core.envs.suite import Environment
from unified.plugins.suites.gym.environment import GymEnvironment, make
from unified.plugins.suites.gym.goals import GoalRewards

#: Attributes that are not part of the task: rendering and a random seed.
_ASIDE = ("render_mode", "spec", "_np_random_seed")


class GymObject(GoalRewards, SuiteAdapter):
    """Wraps a copy of a `gymnasium.Env`, or a new one of its registration if it cannot be copied. The original is not changed."""

    def another(self, thing: Any) -> Any:
        try:
            made = super().another(_Copied(thing)).made
        except UsageError as error:
            refused = error
        else:
            if _alike(made, thing):
                return _with_pictures(made)
            refused = UsageError(Problem(f"{self.name} was modified, and its copy is not", "pass a function that returns it"))
        with suppress(Exception):  # a wrapper that cannot be created again
            made = make(thing.spec) if thing.spec is not None else None
            if made is not None and _alike(made, thing):
                return made
        raise refused

    def adapt(self, made: Any) -> Environment:
        if not isinstance(made, gymnasium.Env):
            raise UsageError(Problem(f"{self.name} makes {type(made).__name__}, which is not a gymnasium.Env"))
        return GymEnvironment(self.name, self.options, made)

    def new_environment(self) -> GymEnvironment:
        environment = self.environment()
        assert isinstance(environment, GymEnvironment)
        return environment


class _Copied:
    """Makes a deep copy of an environment with its modifications, and not a new one with the same arguments.

    Args:
        env: The environment.
    """

    def __init__(self, env: Any) -> None:
        self.made = env

    def __deepcopy__(self, memo: dict[int, Any]) -> _Copied:
        inner = self.made.unwrapped
        if isinstance(inner, EzPickle):  # EzPickle copies by calling the class again, which loses modifications
            twin = memo[id(inner)] = type(inner).__new__(type(inner))
            vars(twin).update(copy.deepcopy(vars(inner), memo))
        return _Copied(copy.deepcopy(self.made, memo))


def _alike(made: Any, thing: Any) -> bool:
    """Whether two environments, including their wrappers, have the same plain attributes."""
    plain = {name: value for name, value in vars(thing.unwrapped).items() if name not in _ASIDE and is_plain(value)}
    theirs = vars(made.unwrapped)
    return contents(plain) == contents({name: theirs.get(name) for name in plain})


def _with_pictures(env: Any) -> Any:
    """The environment with rendering, if it can be rendered."""
    inner = env.unwrapped
    if getattr(inner, "render_mode", None) != "rgb_array" and "rgb_array" in inner.metadata.get("render_modes", ()):
        inner.render_mode = "rgb_array"
    return env
