"""The command `unified chart`: draw a task in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer
from unified import Problem, UsageError

WIDTH, HEIGHT = 41, 15


def chart(
    task: Annotated[str, typer.Argument(help="reach or dock.")] = "reach",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the episode.")] = 1,
) -> None:
    """Draw the start of an episode: o is the boat, x the buoy."""
    from unified_plugin_example.config import HarbourOptions
    from unified_plugin_example.environment import HarbourEnvironment
    from unified_plugin_example.tasks import TASKS

    if task not in TASKS:
        raise UsageError(Problem(f"suite harbour has no task {task!r}", f"it has {', '.join(TASKS)}"))
    environment = HarbourEnvironment(task, HarbourOptions())
    environment.reset(seed)
    water = [["·"] * WIDTH for _ in range(HEIGHT)]
    for place, mark in ((environment.buoy, "x"), (environment.boat, "o")):
        column, row = round((place[0] + 1) / 2 * (WIDTH - 1)), round((1 - place[1]) / 2 * (HEIGHT - 1))
        water[row][column] = mark
    typer.echo("\n".join("".join(row) for row in water))
    typer.echo(f"harbour:{task} seed {seed}: the buoy is {environment.distance:.2f} away")
