"""`unified play`: write a video of an episode, or a grid of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unified import units
from unified.terminal import echo

if TYPE_CHECKING:
    from unified.core.trainer.eval_result import EvalResult

#: File types of a video and of a grid of images.
VIDEOS, PICTURES = (".mp4",), (".png", ".pdf", ".svg")
#: Minimum size of an image of a grid in pixels, and the default number of columns.
SIZE, COLUMNS = 96, 8


def play(
    name: Annotated[str, typer.Argument(help="Name of a run, or enough of it (unified runs list).")],
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="Checkpoint: best, newest, or a number of frames.")] = "best",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file: mp4, or png for a data set; by default in videos/ or images/ of the run."),
    ] = None,
    height: Annotated[int, typer.Option(min=16, help="Of the video's picture, in pixels.")] = 480,
    width: Annotated[int, typer.Option(min=16, help="Of the video's picture, in pixels.")] = 640,
    fps: Annotated[float, typer.Option(min=1, help="Pictures per second.")] = 30.0,
    root: Annotated[Path, typer.Option(help="Directory of all runs.")] = Path("runs"),
) -> None:
    """Write one episode of a checkpoint as an mp4; for a data set, generated images or predictions as a png."""
    from unified.cli.running import check_checkpoint
    from unified.core.base.errors import Problem, UsageError
    from unified.core.runs.run import Run

    run = Run.find(name, root)
    check_checkpoint(run, checkpoint)
    _check_suffix(output, (*VIDEOS, *PICTURES))
    from unified.core.trainer.build import evaluate
    from unified.video import write_mp4

    frames, result = evaluate(run, 1, checkpoint, record=(height, width), features="")
    if result.pictures is not None and len(result.pictures):
        _check_suffix(output, PICTURES)
        path = _write_pictures(output or Path(run.path) / "images" / f"play-{frames:09d}.png", result)
        echo(f"{path}   {units.result(result.row)} at {units.count(frames)} frames, {len(result.pictures)} pictures")
        return
    episodes = result.episodes
    if not episodes or not episodes[0].pictures:
        raise UsageError(Problem(f"the task of {run.path} has no picture", f"metrics: unified evaluate {run.lasting_name}"))
    _check_suffix(output, VIDEOS)
    path = write_mp4(output or Path(run.path) / "videos" / f"play-{frames:09d}.mp4", episodes[0].pictures, fps)
    length = units.duration(len(episodes[0].pictures) / fps)
    echo(f"{path}   return {units.value(result.score)} at {units.count(frames)} frames, {length} at {fps:g} pictures/s")


def _check_suffix(output: Path | None, allowed: tuple[str, ...]) -> None:
    from unified.core.base.errors import Problem, UsageError

    if output is not None and output.suffix.lower() not in allowed:
        raise UsageError(Problem(f"--output {output}: the output is a {', '.join(allowed)}", f"-o {output.stem}{allowed[0]}"))


def _write_pictures(path: Path, result: EvalResult) -> Path:
    """Write a grid; with classes, one row for each."""
    from unified import plotting
    from unified.grid import enlarged, figure

    assert result.pictures is not None
    return plotting.save(figure(enlarged(result.pictures, SIZE), result.captions, result.columns or COLUMNS), path)
