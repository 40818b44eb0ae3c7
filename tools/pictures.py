"""The pictures of the README, made from a run: ``python tools/pictures.py RUN_DIRECTORY [TERMINAL_CAPTURE]``.

The capture is what a terminal showed, escape codes included, e.g. of ``tmux capture-pane -e -p``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
STILLS = 6


def rollout(video: Path, target: Path) -> None:
    """Frames of an episode, evenly spaced, in two rows."""
    reader = imageio_ffmpeg.read_frames(str(video))
    width, height = next(reader)["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    chosen = [frames[round(i * (len(frames) - 1) / (STILLS - 1))] for i in range(STILLS)]
    half = STILLS // 2
    picture = np.concatenate([np.concatenate(chosen[:half], axis=1), np.concatenate(chosen[half:], axis=1)])
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{picture.shape[1]}x{picture.shape[0]}"]
    subprocess.run([*command, "-i", "-", "-frames:v", "1", str(target)], input=picture.tobytes(), check=True, capture_output=True)


def terminal(capture: Path, target: Path) -> None:
    """What the terminal showed, as an SVG."""
    lines = capture.read_text().rstrip("\n").split("\n")
    console = Console(record=True, width=118, file=open("/dev/null", "w"))  # noqa: SIM115
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    console.save_svg(str(target), title="unified train")


def main(run: Path, capture: Path | None) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    shutil.copy(run / "curve.png", IMAGES / "curve.png")
    rollout(max((run / "videos").glob("eval-*.mp4")), IMAGES / "rollout.png")
    if capture is not None:
        terminal(capture, IMAGES / "terminal.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
