"""Options of the callback images. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class ImagesOptions(Options):
    """When pictures are written, how many and of what size."""

    every: int = Field(1, ge=0)
    """Evaluations between two files; 0 writes those of the last evaluation alone."""
    count: int = Field(64, ge=1)
    """Most pictures in a file."""
    columns: int = Field(8, ge=1)
    """Pictures side by side, where they are not made for classes: each class has a row of its own."""
    size: int = Field(96, ge=1)
    """Least size of a picture in pixels: smaller ones are enlarged by a whole factor, larger ones stay."""
