"""dm_control's suite: continuous control in MuJoCo, from pixels or from the state (Tassa et al. 2018, arXiv:1801.00690)."""

from __future__ import annotations

from typing import Any

from unified.core.envs.suite import Environment, Suite
from unified.plugins.suites.opengl import choose

#: Tasks that draw into their GL context at every reset, whatever is observed: terrain is uploaded to it.
NEEDS_GL = ("quadruped_escape",)


class DMC(Suite):
    """Every task of dm_control's suite, ``dmc:<domain>_<task>``.

    Environments live in processes of their own, also where the state is observed: their evaluations are filmed, and software GL beside
    torch ends in a segmentation fault now and then (Mesa's LLVM, Triton's LLVM and their threads in one process).
    """

    options: Any
    placement = "process"

    def environment(self) -> Environment:
        """A new environment of the task, built in the calling process.

        Raises:
            UsageError: If there is no such task, or no OpenGL to draw its pixels with.
        """
        from unified.plugins.suites.dmc.environment import DMCEnvironment

        return DMCEnvironment(self.task, self.options, needs_gl=self.options.pixels or self.task in NEEDS_GL)

    def notes(self) -> list[str]:
        """Which OpenGL draws, and why, where pixels are observed."""
        return [str(choose(self.options.gl, self.options.render))] if self.options.pixels else []
