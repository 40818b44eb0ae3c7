"""Grids of images with optional captions. matplotlib is imported when a grid is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In pixels: the gap between images, the strip of a caption, and the height of its text.
GAP, STRIP, TEXT = 4, 14, 10
#: Approximate ratio of width to height of a letter.
_LETTER = 0.6


def grid(pictures: np.ndarray, columns: int, gap: int = GAP, strip: int = 0) -> np.ndarray:
    """Arrange images row by row on a white background.

    Args:
        pictures: ``(n, C, H, W)`` uint8, at least one. Three channels are RGB; for other numbers the mean is shown.
        columns: Maximum number of columns.
        gap: Pixels around each image.
        strip: Additional pixels below each image.

    Returns:
        ``(rows * (H + strip + gap) + gap, columns * (W + gap) + gap, 3)`` uint8.
    """
    if not len(pictures):
        raise ValueError("there are no pictures")
    pictures = coloured(pictures)
    count, height, width, _ = pictures.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + strip + gap, width + gap, 3), 255, np.uint8)
    cells[:count, :height, :width] = pictures
    sheet = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2).reshape(rows * cells.shape[1], columns * cells.shape[2], 3)
    return np.pad(sheet, ((gap, 0), (gap, 0), (0, 0)), constant_values=255)


def coloured(pictures: np.ndarray) -> np.ndarray:
    """Convert ``(n, C, H, W)`` to RGB ``(n, H, W, 3)`` uint8."""
    if pictures.shape[1] != 3:
        pictures = np.repeat(pictures.mean(axis=1, keepdims=True).round().astype(np.uint8), 3, axis=1)
    return pictures.transpose(0, 2, 3, 1)


def enlarged(pictures: np.ndarray, size: int) -> np.ndarray:
    """Enlarge ``(n, C, H, W)`` by a whole factor until the longer side has at least `size` pixels."""
    factor = max(1, -(-size // max(pictures.shape[2:])))
    return pictures.repeat(factor, axis=2).repeat(factor, axis=3)


def figure(pictures: np.ndarray, captions: Sequence[str] | None, columns: int) -> Figure:
    """The grid as a figure with one pixel per pixel; long captions are cut."""
    from matplotlib.figure import Figure

    height, width = pictures.shape[2:]
    sheet = grid(pictures, columns, strip=STRIP if captions else 0)
    drawn = Figure(figsize=(sheet.shape[1] / 72, sheet.shape[0] / 72), dpi=72)  # one point is one pixel
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(sheet, interpolation="nearest", aspect="auto", extent=(0, sheet.shape[1], sheet.shape[0], 0))
    letters = max(1, int((width + GAP) / (_LETTER * TEXT)))
    for index, caption in enumerate(captions or ()):
        row, column = divmod(index, min(columns, len(pictures)))
        x, y = GAP + column * (width + GAP) + width / 2, GAP + row * (height + STRIP + GAP) + height + STRIP / 2
        text = caption if len(caption) <= letters else caption[: letters - 1] + "…"
        axes.text(x, y, text, fontsize=TEXT, ha="center", va="center", color="#222222", parse_math=False)
    return drawn
