"""`unified play`: a checkpoint as a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unified import units


def play(
    name: Annotated[str, typer.Argument(help="A run, or enough of its name (unified runs list).")],
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="best, newest, or a number of frames.")] = "best",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The mp4; in the run's videos by default.")] = None,
    height: Annotated[int, typer.Option(min=16, help="Of the picture, in pixels.")] = 480,
    width: Annotated[int, typer.Option(min=16, help="Of the picture, in pixels.")] = 640,
    fps: Annotated[float, typer.Option(min=1, help="Pictures per second.")] = 30.0,
    root: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("runs"),
) -> None:
    """Play one episode with a checkpoint and write it as an mp4."""
    from unified.cli.running import check_checkpoint
    from unified.core.errors import Problem, UnifiedError
    from unified.core.run import Run

    run = Run.find(name, root)
    check_checkpoint(run, checkpoint)
    from unified.core.trainer.build import evaluate
    from unified.video import write_mp4

    frames, judged = evaluate(run, 1, checkpoint, record=(height, width))
    episodes = judged.episodes
    if not episodes or not episodes[0].frames:
        raise UnifiedError(Problem(f"the task of {run.path} has no picture", f"how well it does: unified evaluate {run.name}"))
    path = write_mp4(output or Path(run.path) / "videos" / f"play-{frames:09d}.mp4", episodes[0].frames, fps)
    length = units.duration(len(episodes[0].frames) / fps)
    typer.echo(f"{path}   return {units.value(judged.score)} at {units.count(frames)} frames, {length} at {fps:g} pictures/s")
