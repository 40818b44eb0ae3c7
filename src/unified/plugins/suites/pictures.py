"""Resize images by area averaging with integer sums, so that all machines give the same bytes. Torch-free."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def resize(picture: Array, height: int, width: int) -> Array:
    """Resize ``(H, W)`` or ``(H, W, C)`` uint8 to ``(height, width)`` or ``(height, width, C)``.

    Each new pixel is the mean of the area that it covers; a pixel at the edge counts with its covered fraction, and a half is
    rounded up.
    """
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    depth = picture.shape[2:]
    channels = math.prod(depth)
    rows, units = _sums(picture.reshape(len(picture), -1), height, 255)
    turned = rows.reshape(height, -1, channels).swapaxes(0, 1).reshape(-1, height * channels)
    columns, more = _sums(turned, width, 255 * units)
    area = units * more
    means = ((columns + area // 2) / area).astype(np.uint8)
    return np.ascontiguousarray(means.reshape(width, height, *depth).swapaxes(0, 1))


def _sums(rows: Array, size: int, greatest: int) -> tuple[Array, int]:
    """Sums ``(size, K)`` of the rows of ``(length, K)`` that each new row covers, and the number of units that it covers."""
    units = len(rows) // math.gcd(len(rows), size)
    dtype = np.min_scalar_type(greatest * units)
    first, *others = _cover(len(rows), size, dtype)
    sums = rows[first[0]] * first[1]
    for index, weight in others:
        sums += rows[index] * weight
    return sums, units


@functools.lru_cache(maxsize=32)
def _cover(length: int, size: int, dtype: np.dtype[Any]) -> list[tuple[Array, Array]]:
    """Yield the indices ``(size,)`` of old rows that new rows cover, with the covered units ``(size, 1)``.

    An old row has size / gcd units, a new row length / gcd.
    """
    old, new = (number // math.gcd(length, size) for number in (size, length))
    start = np.arange(size) * new
    cover = []
    for k in range(-(-new // old) + 1):
        row = start // old + k
        units = np.minimum(start + new, (row + 1) * old) - np.maximum(start, row * old)
        if (units > 0).any():
            cover.append((np.minimum(row, length - 1), np.maximum(units, 0).astype(dtype)[:, None]))
    return cover
