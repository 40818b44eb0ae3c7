"""`unified resume`: go on with a run, exactly as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unified import units

if TYPE_CHECKING:
    from unified.core.runs.run import Run


def resume(
    name: Annotated[str, typer.Argument(help="A run, or enough of its name (unified runs list).")],
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
) -> None:
    """Go on with a run from its newest valid checkpoint."""
    from unified.core.runs.launching import start
    from unified.core.runs.run import Run

    run = Run.find(name, root)
    typer.echo(announcement(run))
    from unified.cli.running import until_stopped

    until_stopped(lambda: start(run.config, run))


def announcement(run: Run) -> str:
    """What is about to happen, said before anything slow does."""
    newest = max(run.checkpoints.frames(), default=None)
    if newest is None:
        return f"resuming {run.path} from the start: it has no checkpoint yet"
    lost = max((row.get("frames", 0) for row in run.metrics()), default=0) - newest
    if run.finished and lost <= 0:
        on = f"unified evaluate {run.name}; its train command with a greater budget, train.frames=… for one, trains on"
        return f"{run.path} has reached its end, {units.count(newest)} frames: nothing is left to do ({on})"
    again = f"; {units.count(lost)} frames after it are lived again" if lost > 0 else ""
    return f"resuming {run.path} at {units.count(newest)} frames (its newest checkpoint{again})"
