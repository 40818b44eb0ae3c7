"""What commands on runs share: being stopped is no error, but the exit code says so; a checkpoint that is not there is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.core.runs.run import Run


def until_stopped(work: Callable[[], Any]) -> None:
    """Do the work; where it was stopped say how to go on, and exit with 128 + the signal's number (130 Ctrl-C, 143 SIGTERM)."""
    from unified.core.trainer.interrupts import Stopped

    try:
        work()
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(stopped.exit_code) from None
    except KeyboardInterrupt:  # before there was anything to save, or a second time because it took too long
        typer.echo("stopped at once; go on with the same command, from the newest checkpoint if there is one", err=True)
        raise typer.Exit(130) from None


def check_checkpoint(run: Run, which: str) -> None:
    """Refuse a checkpoint that does not exist, before torch is imported to read it.

    Raises:
        UsageError: With those that do.
    """
    from unified.core.base.suggest import closest

    known = ["best", "newest", *(str(number) for number in run.checkpoints.frames())]
    if len(known) == 2:
        raise UsageError(Problem(f"run {run.name} has no checkpoint yet", f"go on with it: unified resume {run.name}"))
    if which not in known and not (which.isdigit() and str(int(which)) in known):
        # One number is as good as another: those that look alike are not meant.
        near = None if which.isdigit() else closest(which, known)
        hint = f"did you mean  {near} ?" if near else f"there is {', '.join(known)}"
        raise UsageError(Problem(f"run {run.name} has no checkpoint {which!r}", hint))
