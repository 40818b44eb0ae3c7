"""Options of `load`: a model of its own, since it checks that the run exists. Torch-free."""

from __future__ import annotations

from pathlib import Path

from unified.core.base.errors import Problem
from unified.core.components.options import Options


class LoadOptions(Options):
    """Of `load`."""

    run: str = ""
    """Name of the run, or enough of it; required."""
    part: str = "encoder"
    """Part of the run's agent."""
    checkpoint: str = "best"
    """Checkpoint: best, newest, or a number of frames."""
    root: str = "runs"
    """Directory of the runs."""
    frozen: bool = False
    """Freeze the parameters of the part."""

    def lacking(self, run: Path) -> list[Problem]:
        from unified.core.runs.preflight import missing_run

        if not self.run:
            return [Problem("load needs the name of a run", "encoder=load:RUN#encoder")]
        return missing_run(self.run, Path(self.root), run, self.checkpoint)
