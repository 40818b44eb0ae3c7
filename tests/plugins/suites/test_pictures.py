"""Means of areas, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from unified.plugins.suites.pictures import resize


def exact(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """One pixel after the other, in fractions; a half rounds up."""
    (old_height, old_width), result = picture.shape, np.zeros((height, width), np.uint8)
    for i in range(height):
        for j in range(width):
            top, left = Fraction(i * old_height, height), Fraction(j * old_width, width)
            bottom, right = Fraction((i + 1) * old_height, height), Fraction((j + 1) * old_width, width)
            total = Fraction(0)
            for y in range(int(top), -(-bottom.numerator // bottom.denominator)):
                for x in range(int(left), -(-right.numerator // right.denominator)):
                    covered = (min(bottom, y + 1) - max(top, y)) * (min(right, x + 1) - max(left, x))
                    total += covered * int(picture[y, x])
            result[i, j] = int(total / ((bottom - top) * (right - left)) + Fraction(1, 2))
    return result


@pytest.mark.parametrize(("size", "wanted"), [((21, 16), (8, 8)), ((5, 7), (3, 2)), ((6, 4), (3, 2)), ((4, 3), (8, 7)), ((7, 5), (5, 9))])
def test_means_of_areas(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    picture[0] = 255
    np.testing.assert_array_equal(resize(picture, *wanted), exact(picture, *wanted))


def test_channels_are_pictures_of_their_own() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (21, 16, 3), dtype=np.uint8)
    small = resize(picture, 8, 6)
    assert small.flags.c_contiguous
    for channel in range(3):
        np.testing.assert_array_equal(small[..., channel], resize(picture[..., channel], 8, 6))


@pytest.mark.parametrize("size", [(210, 160), (250, 160), (400, 600), (1999, 1009)])
def test_white_stays_white_at_every_size(size: tuple[int, int]) -> None:
    assert (resize(np.full(size, 255, np.uint8), 84, 84) == 255).all()


def test_the_same_size_is_the_same_picture() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(picture, 9, 7), picture)
