"""Errors name the line of the code that can be mended."""

from __future__ import annotations

import torch
from torch import nn

from unified.core.base.errors import one_line


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bound(x)


def test_an_error_that_a_library_raises_is_told_at_the_line_that_called_it() -> None:
    try:
        Net()(torch.zeros(1))
    except AttributeError as error:
        assert f"({__file__}:" in one_line(error)
    else:
        raise AssertionError
