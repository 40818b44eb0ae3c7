"""Options of the heads. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from unified.core.options import Options
from unified.core.schedule import Schedule


class ScalarOptions(Options):
    """Of `ScalarHead`."""

    huber: float | None = Field(None, gt=0)
    """Error beyond which the loss is linear; null: the squared error."""


class QuantileOptions(Options):
    """Of `QuantileHead`."""

    atoms: int = Field(51, ge=1)
    """Number of quantiles."""
    huber: float = Field(1.0, ge=0)
    """Error beyond which the loss is linear; 0: the quantile loss itself."""


class CategoricalOptions(Options):
    """Of `CategoricalHead`; all of it is for values."""

    atoms: int = Field(51, ge=2)
    """Number of returns that are told apart."""
    low: float | None = None
    """Least return; null: what the critic says."""
    high: float | None = None
    """Greatest return; null: what the critic says."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be less than high")
        return self


class TanhGaussianOptions(Options):
    """Of `TanhGaussianHead`."""

    low: float = -5.0
    """Least logarithm of the deviation."""
    high: float = 2.0
    """Greatest logarithm of the deviation."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        return self


class TruncatedNormalOptions(Options):
    """Of `TruncatedNormalHead`."""

    stddev: str = "linear(1.0,0.1,100000)"
    """Deviation of the noise, over agent steps."""
    clip: float | None = Field(0.3, gt=0)
    """Greatest noise in an action that is learned from; null: no limit."""

    @field_validator("stddev")
    @classmethod
    def _is_a_schedule(cls, text: str) -> str:
        Schedule(text)
        return text


class FlowOptions(Options):
    """Of `FlowHead`."""

    steps: int = Field(20, ge=1)
    """Steps in which a flow is followed."""
