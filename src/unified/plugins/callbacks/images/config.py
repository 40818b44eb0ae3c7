"""Options of the callback images. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options


class ImagesOptions(Options):
    """Interval, number and size of images."""

    every: int = Field(1, ge=0)
    """Evaluations between two files; 0: only the last evaluation."""
    count: int = Field(64, ge=1)
    """Maximum number of images in a file."""
    columns: int = Field(8, ge=1)
    """Number of columns; with conditional generation each class has a row."""
    size: int = Field(96, ge=1)
    """Minimum size of an image in pixels; smaller ones are enlarged by a whole factor."""
