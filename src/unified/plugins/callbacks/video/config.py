"""Options of the callback video. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class VideoOptions(Options):
    """Interval and size of videos."""

    every: int = Field(0, ge=0)
    """Evaluations between two videos; 0: only the last evaluation."""
    height: int = Field(240, ge=16, multiple_of=2)
    """In pixels."""
    width: int = Field(320, ge=16, multiple_of=2)
    """In pixels."""
    fps: int = Field(30, ge=1)
    """Agent steps per second of video."""
