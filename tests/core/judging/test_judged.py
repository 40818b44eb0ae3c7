from __future__ import annotations

import numpy as np
import pytest

from unified.core.judging.judged import Judged


def test_pictures_and_captions_fit() -> None:
    pictures = np.zeros((2, 1, 4, 4), np.uint8)
    assert Judged({"accuracy": 1.0}).pictures is None
    assert Judged({}, pictures=pictures, captions=["a", "b"]).captions == ["a", "b"]
    with pytest.raises(ValueError, match="3 captions for 2 pictures"):
        Judged({}, pictures=pictures, captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="1 captions for 0 pictures"):
        Judged({}, captions=["a"])


@pytest.mark.parametrize("pictures", [np.zeros((4, 4), np.uint8), np.zeros((2, 1, 4, 4), np.float32)])
def test_pictures_are_bytes_with_channels(pictures: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        Judged({}, pictures=pictures)
