"""Options from signatures."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import ValidationError
from torch import nn

from unified.core.base.errors import UsageError
from unified.core.components.signature import inferred, options_of


class Net(nn.Module):
    """A net.

    Args:
        in_shape: What comes in.
        hidden_dim: Units of
            its layers.
        act (type): Cannot be typed.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_features: int,
        hidden_dim: int = 64,
        rates: tuple[float, ...] = (0.1, 0.2),
        mode: Literal["a", "b"] = "a",
        act: type[nn.Module] = nn.ReLU,
        limit: float = float("inf"),
        *,
        bias: bool = True,
        anything: Any = None,
        **more: Any,
    ) -> None: ...


def test_options_are_the_arguments_that_can_be_typed() -> None:
    model = options_of(Net)
    assert list(model.model_fields) == ["hidden_dim", "rates", "mode", "bias", "anything"]
    assert model.model_fields["hidden_dim"].description == "Units of its layers."
    assert model().model_dump(mode="json") == {"hidden_dim": 64, "rates": [0.1, 0.2], "mode": "a", "bias": True, "anything": None}
    for wrong in ({"hidden_dim": "many"}, {"mode": "c"}, {"act": "relu"}, {"in_shape": (1,)}):
        with pytest.raises(ValidationError):
            model(**wrong)
    assert inferred(Net) == ["in_shape", "out_features"]


def test_an_argument_without_a_default_has_to_be_given() -> None:
    def conv(in_channels: int, kernel_size: int) -> nn.Module: ...

    assert options_of(conv).model_fields["kernel_size"].is_required()


def test_annotations_that_name_nothing_are_replaced_by_the_default() -> None:
    def net(in_features: int, width: Nowhere = 3, name: str = "x", _private: int = 1, copy: bool = False) -> nn.Module: ...  # noqa: F821

    model = options_of(net)
    assert list(model.model_fields) == ["width", "copy"]
    assert model.model_fields["width"].annotation is int


def test_an_argument_that_must_be_called_name_is_refused() -> None:
    def net(name: str) -> nn.Module: ...

    with pytest.raises(UsageError, match="'name'"):
        options_of(net)


def test_what_is_written_in_c_has_no_inferred_arguments() -> None:
    assert inferred(max) == []
