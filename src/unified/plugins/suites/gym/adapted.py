"""Gymnasium environments that are handed over: an object, its class, or a function that makes one. Never imports torch."""

from __future__ import annotations

from typing import Any

import gymnasium

from unified.core.environment.adapted import Adapted
from unified.core.errors import Problem, UsageError
from unified.core.suite import Environment
from unified.plugins.suites.gym.environment import GymEnvironment, make


class GymObject(Adapted):
    """A `gymnasium.Env` as it is. One that is registered is made anew, any other one is copied; the caller's own is never touched."""

    def another(self, thing: Any) -> Any:
        spec = thing.spec
        if spec is not None:
            try:
                return make(spec)
            except Exception:  # a wrapper that cannot be made anew: its copy is as good
                return super().another(thing)
        return super().another(thing)

    def adapt(self, made: Any) -> Environment:
        if not isinstance(made, gymnasium.Env):
            raise UsageError(Problem(f"{self.name} makes {type(made).__name__}, which is no gymnasium.Env"))
        return GymEnvironment(self.name, self.options, made)
