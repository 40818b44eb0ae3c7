"""dm_control's suite: continuous control in MuJoCo, from pixels or from the state (Tassa et al. 2018, arXiv:1801.00690)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.opengl import choose

if TYPE_CHECKING:
    from unified.core.envs.vector_protocol import VectorEnv

#: Tasks that use their GL context at every reset, to upload terrain.
NEEDS_GL = ("quadruped_escape",)


class DMC(Suite):
    """The tasks of dm_control, ``dmc:<domain>_<task>``.

    Environments run in processes of their own, also with state observations: evaluations are filmed, and software GL in a process with
    torch sometimes ends in a segmentation fault (Mesa's LLVM, Triton's LLVM and their threads in one process).
    """

    options: Any
    placement = "process"

    def environment(self) -> Environment:
        """A new environment of the task, in the calling process.

        Raises:
            UsageError: If there is no such task, or no OpenGL to render it.
        """
        from unified.plugins.suites.dmc.environment import DMCEnvironment

        return DMCEnvironment(self.task, self.options, needs_gl=self.options.pixels or self.task in NEEDS_GL)

    def vector(self, num_envs: int, seed: int, stream: str) -> VectorEnv | None:
        """Most tasks without images, with the physics of all environments in one call (`unified.plugins.suites.dmc.simulated.TASKS`)."""
        from unified.plugins.suites.dmc.simulated import vector_of

        return vector_of(self, num_envs, seed, stream)

    def notes(self) -> list[str]:
        """The OpenGL back-end and the reason for it, if pixels are observed."""
        return [str(choose(self.options.gl, self.options.render))] if self.options.pixels else []
