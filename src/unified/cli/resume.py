"""`unified resume`: continue a run exactly as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unified import units
from unified.terminal import echo

if TYPE_CHECKING:
    from unified.core.config.config import Config
    from unified.core.runs.run import Run


def resume(
    name: Annotated[str, typer.Argument(help="Name of a run, or enough of it (unified runs list).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Options to change, e.g. train.frames=2000000; the run keeps them.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Callback, launcher or key of an option that the run goes on without; repeat it for several.", metavar="NAME"),
    ] = None,
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
    accept_config: Annotated[bool, typer.Option("--accept-config", help="Use a config.json that was changed by hand.")] = False,
) -> None:
    """Resume a run from its newest valid checkpoint."""
    from unified.cli.running import train_run
    from unified.core.runs.run import Run

    run = Run.find(name, root)
    config = run.configure(overrides or [], without or [])
    changed = bool(overrides or without)
    echo(announcement(run, changed, config))
    if accept_config:
        run.accept_config()
    if is_finished(run) and not changed:
        return
    train_run(config, run)


def is_finished(run: Run) -> bool:
    """Whether a run ended with its budget, and everything since then is in its newest checkpoint."""
    return run.finished and _lost(run) <= 0


def announcement(run: Run, changed: bool = False, config: Config | None = None) -> str:
    """The line that announces the resume, printed before anything slow starts; a finished run that is `changed` may go on with `config`."""
    newest = max(run.checkpoints.frames(), default=None)
    if newest is None:
        return f"resuming {run.path} from the start: it has no checkpoint yet"
    if is_finished(run) and not changed:
        on = f"unified evaluate {run.lasting_name}; to train further: unified resume {run.lasting_name} train.frames=…"
        return f"{run.path} is finished at {units.count(newest)} frames, nothing to resume: {on}"
    if changed and config is not None:
        counts = run.checkpoints.newest_manifest()
        for name in ("frames", "updates"):
            budget, done = getattr(config.train, name), counts.get(name, 0)
            if budget is not None and done >= budget:
                reached = f"{run.path} has {done:,} {name}, and train.{name}={budget} is reached"
                return f"{reached}: nothing is trained; the run keeps the new budget"
    lost = _lost(run)
    again = f"; {units.count(lost)} frames after it are repeated" if lost > 0 else ""
    return f"resuming {run.path} at {units.count(newest)} frames (its newest checkpoint{again})"


def _lost(run: Run) -> int:
    """Frames after the newest checkpoint, which a resume repeats."""
    return max((row.get("frames", 0) for row in run.metrics()), default=0) - max(run.checkpoints.frames(), default=0)
