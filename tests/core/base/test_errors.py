"""Errors name the line of the code that can be mended."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unified.core.base.errors import one_line


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bound(x)


def test_an_error_that_a_library_raises_is_told_at_the_line_that_called_it() -> None:
    with pytest.raises(AttributeError) as raised:
        Net()(torch.zeros(1))
    assert f"({__file__}:" in one_line(raised.value)
