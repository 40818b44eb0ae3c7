"""`unified resume`: continue a run exactly as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unified import units

if TYPE_CHECKING:
    from unified.core.runs.run import Run


def resume(
    name: Annotated[str, typer.Argument(help="Name of a run, or enough of it (unified runs list).")],
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
) -> None:
    """Resume a run from its newest valid checkpoint."""
    from unified.core.runs.launching import start
    from unified.core.runs.run import Run

    run = Run.find(name, root)
    typer.echo(announcement(run))
    from unified.cli.running import until_stopped

    until_stopped(lambda: start(run.config, run))


def announcement(run: Run) -> str:
    """The line that announces the resume, printed before anything slow starts."""
    newest = max(run.checkpoints.frames(), default=None)
    if newest is None:
        return f"resuming {run.path} from the start: it has no checkpoint yet"
    lost = max((row.get("frames", 0) for row in run.metrics()), default=0) - newest
    if run.finished and lost <= 0:
        on = f"unified evaluate {run.lasting_name}; to train further, repeat its train command with a larger budget (train.frames=…)"
        return f"{run.path} is finished, {units.count(newest)} frames: nothing to resume ({on})"
    again = f"; {units.count(lost)} frames after it are repeated" if lost > 0 else ""
    return f"resuming {run.path} at {units.count(newest)} frames (its newest checkpoint{again})"
