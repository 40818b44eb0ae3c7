"""Shared by commands on runs: exit codes of stopped runs, and errors for missing checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from unified.core.base.errors import Problem, UsageError
from unified.terminal import echo

if TYPE_CHECKING:
    from unified.core.config.config import Config
    from unified.core.runs.run import Run

Result = TypeVar("Result")


def train_run(config: Config, run: Run | None = None) -> None:
    """Train a run until its end or until it is stopped (`until_stopped`), and print that it ended if no callback does.

    Args:
        config: Configuration of the run.
        run: The run; by default the one of the configuration.
    """
    from unified.core.runs.launching import start

    trained = until_stopped(lambda: start(config, run))
    if not config.callbacks:
        echo(f"{trained.path} is finished: unified evaluate {trained.lasting_name}")


def until_stopped(work: Callable[[], Result]) -> Result:
    """Call `work`, and return its result.

    If it is stopped, print how to resume and exit with 128 + the number of the signal (130 Ctrl-C, 143 SIGTERM).
    """
    from unified.core.trainer.interrupts import Stopped

    try:
        return work()
    except Stopped as stopped:
        echo(str(stopped), err=True)
        raise typer.Exit(stopped.exit_code) from None
    except KeyboardInterrupt:  # before the first checkpoint, or by a second signal
        echo("stopped at once; the same command continues from the newest checkpoint, if there is one", err=True)
        raise typer.Exit(130) from None


def check_checkpoint(run: Run, which: str) -> None:
    """Raise an error for a missing checkpoint before torch is imported.

    Raises:
        UsageError: With the checkpoints that exist.
    """
    from unified.core.base.suggest import closest

    known = ["best", "newest", *(str(number) for number in run.checkpoints.frames())]
    if len(known) == 2:
        raise UsageError(Problem(f"run {run.name} has no checkpoint yet", f"resume it: unified resume {run.lasting_name}"))
    if which not in known and not (which.isdigit() and str(int(which)) in known):
        # A similar number is not a typing error.
        near = None if which.isdigit() else closest(which, known)
        hint = f"did you mean  {near} ?" if near else f"there is {', '.join(known)}"
        raise UsageError(Problem(f"run {run.name} has no checkpoint {which!r}", hint))
