"""`unified evaluate`: evaluate a checkpoint of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unified import units
from unified.terminal import echo


def evaluate(
    name: Annotated[str, typer.Argument(help="Name of a run, or enough of it (unified runs list).")],
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Number of episodes.")] = 10,
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="Checkpoint: best, newest, or a number of frames.")] = "best",
    features: Annotated[
        str | None, typer.Option(help="Run of a classifier whose features compare generated with real data.", metavar="RUN")
    ] = None,
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a checkpoint without exploration: the return of episodes, or metrics on the test rows of a data set."""
    from unified.cli.running import check_checkpoint
    from unified.core.runs.run import Run

    run = Run.find(name, root)
    check_checkpoint(run, checkpoint)
    if features:
        check_checkpoint(Run.find(features, run.root), "best")
    from unified.core.trainer.build import evaluate as evaluate_run

    frames, result = evaluate_run(run, episodes, checkpoint, features=features)
    row, played = {"kind": "evaluate", "frames": frames, **result.row}, result.episodes or []
    if as_json:
        returns = {"returns": [episode.return_ for episode in played]} if played else {}
        echo(json.dumps({"run": str(run.path), **row, **returns}, indent=2))
        return
    echo(f"{run.path} at {units.count(frames)} frames ({checkpoint})")
    if played:
        low, high = units.value(row["return_min"]), units.value(row["return_max"])
        count = f"{len(played)} episode{'s' * (len(played) != 1)}"
        echo(f"  return  {units.spread(row['return'], row['return_sd'])}   ({count}, {low} to {high})")
        if "success" in row:
            echo(f"  success {100 * row['success']:.0f}%   (at the last step of each episode)")
        echo(f"  length  {units.value(row['length'])} steps")
    for line in result.report:
        echo(f"  {line}")
    if played or result.pictures is not None:
        echo(f"  watch it: unified play {run.lasting_name}")
