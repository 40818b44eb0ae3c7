"""Environments in C++ of EnvPool (Weng et al. 2022, arXiv:2206.10558): Atari, Procgen, MuJoCo, dm_control, MetaWorld, MiniGrid, …"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from unified.core.envs.suite import Environment, Suite

if TYPE_CHECKING:
    from unified.core.envs.vector_protocol import VectorEnv

if find_spec("envpool") is None:  # to import it takes seconds
    raise ModuleNotFoundError("No module named 'envpool'", name="envpool")


def check(task: str, options: Any) -> None:
    """Check that EnvPool has a task, for which it has what it needs.

    Raises:
        UsageError: If not.
    """
    from unified.plugins.suites.envpool.pool import arguments

    arguments(task, options)


class EnvPool(Suite):
    """``envpool:<id>``, e.g. ``envpool:Pong-v5``.

    One pool holds all environments of a run. It takes a seed for each environment when it is made, and then resets by random numbers of
    its own; it neither gives nor takes the state of an environment. An episode is therefore no function of a seed of its own, and a
    resumed run truncates the unfinished episodes: such runs are not exact.
    """

    placement = "inline"

    def environment(self) -> Environment:
        """A pool of one environment.

        Raises:
            UsageError: If EnvPool has no such task or cannot make it, or its spaces are not supported.
        """
        from unified.plugins.suites.envpool.environment import EnvPoolEnvironment

        return EnvPoolEnvironment(self.task, self.options)

    def vector(self, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
        """One pool of all environments."""
        from unified.plugins.suites.envpool.vector import EnvPoolVectorEnv

        return EnvPoolVectorEnv(self.task, self.options, num_envs, seed, stream)

    def notes(self) -> list[str]:
        return ["envpool cannot save its environments: a resume begins new episodes, so the run is not exact (exact: false)"]
