"""Errors name the line of the code that can be mended."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError, one_line


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bound(x)


def test_an_error_that_a_library_raises_is_told_at_the_line_that_called_it() -> None:
    with pytest.raises(AttributeError) as raised:
        Net()(torch.zeros(1))
    assert f"({__file__}:" in one_line(raised.value)


@pytest.mark.parametrize(("size", "left_out"), [(255, False), (256, False), (257, True), (1_000_000, True)])
def test_the_middle_of_a_very_long_word_is_left_out(size: int, left_out: bool) -> None:
    word = "a" * (size - 3) + "end"
    for text in (str(UsageError(f"{word} does not exist")), str(UsageError(Problem("it does not exist", f"type {word}")))):
        assert ("…" in text) == left_out
        assert (f"end ({size:,} characters)" in text) == left_out
        assert (word in text) != left_out
        assert len(text) < 400
    problem = Problem(word)
    assert Problem(problem.message) == problem  # also if an error is raised again
