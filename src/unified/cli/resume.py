"""`unified resume`: go on with a run, exactly as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def resume(
    name: Annotated[str, typer.Argument(help="A run, or enough of its name (unified runs list).")],
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
) -> None:
    """Go on with a run from its newest valid checkpoint."""
    from unified.core.run import Run

    run = Run.find(name, root)
    from unified.cli.running import until_stopped
    from unified.core.trainer.build import resume as go_on

    until_stopped(lambda: go_on(run))
