from __future__ import annotations

import numpy as np
import pytest

from unified.core.trainer.eval_result import EvalResult


def test_pictures_and_captions_fit() -> None:
    pictures = np.zeros((2, 1, 4, 4), np.uint8)
    assert EvalResult({"accuracy": 1.0}).pictures is None
    assert EvalResult({}, pictures=pictures, captions=["a", "b"]).captions == ["a", "b"]
    with pytest.raises(ValueError, match="3 captions for 2 pictures"):
        EvalResult({}, pictures=pictures, captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="1 captions for 0 pictures"):
        EvalResult({}, captions=["a"])


@pytest.mark.parametrize("pictures", [np.zeros((4, 4), np.uint8), np.zeros((2, 1, 4, 4), np.float32)])
def test_pictures_are_bytes_with_channels(pictures: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        EvalResult({}, pictures=pictures)


def test_further_figures_stand_beside_the_others() -> None:
    result = EvalResult({"return": 3.0}, episodes=["one"], report=["a line"])
    further = result.beside({"normalised": 0.5, "share": 1 / 3})
    assert further.row == {"return": 3.0, "normalised": 0.5, "share": 1 / 3}
    assert further.report == ["a line", "normalised  0.5", "share  0.3333"]
    assert (further.episodes, further.score) == (["one"], 3.0)
    assert result.row == {"return": 3.0}
    with pytest.raises(ValueError, match="the result has return already"):
        result.beside({"return": 4.0})
