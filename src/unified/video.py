"""Write frames as an mp4, for the callback `video` and `unified play`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unified.core.base.errors import UnifiedError

if TYPE_CHECKING:
    import numpy as np


def write_mp4(path: str | os.PathLike[str], frames: Sequence[np.ndarray] | Iterable[np.ndarray], fps: float = 30.0) -> Path:
    """Write `frames`, each ``(H, W, 3)`` uint8, as H.264.

    The file is written atomically. Sizes that are not multiples of 16 (the encoder's blocks) are padded
    with the pixels of the border, so that nothing is rescaled.

    Raises:
        UnifiedError: If there are no frames, or the encoder fails.
    """
    import imageio_ffmpeg
    import numpy as np

    path = Path(path)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise UnifiedError(f"there are no frames to write to {path}")
    height, width = first.shape[:2]
    padding = ((0, -height % 16), (0, -width % 16), (0, 0))

    def whole(frame: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.pad(frame, padding, mode="edge") if any(after for _, after in padding) else frame, dtype=np.uint8)

    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp.mp4")  # the encoder infers the format from the suffix
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (width + padding[1][1], height + padding[0][1]),
            fps=fps,
            codec="libx264",
            pix_fmt_in="rgb24",
            pix_fmt_out="yuv420p",
            macro_block_size=16,
            quality=7,
            ffmpeg_log_level="error",
            output_params=["-movflags", "+faststart"],  # playable while it is loading
        )
        try:
            writer.send(None)
            writer.send(whole(first))
            for frame in frames:
                writer.send(whole(frame))
        finally:
            writer.close()
        os.replace(temporary, path)
    except OSError as error:
        raise UnifiedError(f"the video {path} could not be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path
