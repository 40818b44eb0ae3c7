"""What `train` and `resume` share: a run that somebody stops is no error, but its exit code says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer


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
