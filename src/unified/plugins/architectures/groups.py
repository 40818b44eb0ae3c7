"""Options that agents with actors and critics share. Torch-free."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from unified.core.components.options import Options
from unified.core.config.schema import Part


class ActorOptions(Options):
    """Of an actor."""

    head: Part | None = None
    """How the policy is represented; by default tanh_gaussian, or categorical where actions are choices."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""


class CriticOptions(Options):
    """Of a critic."""

    head: Part = "scalar"
    """How a value is represented: scalar, categorical, quantile."""
    hidden_dim: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""
    members: int = Field(1, ge=1)
    """Critics, which differ in their first parameters."""
    reduce: Literal["least", "average", "mixture"] = "least"
    """How target critics become one: the least, their average, or a random mixture, which the prediction is then too (REM)."""
    dueling: bool = False
    """Streams for V(s) and for advantages, where actions are choices."""
    noisy: bool = False
    """Explore by noise in the weights, of a size that is learned; off in evaluation."""
    v_min: float = -10.0
    """Least return, for heads that have one."""
    v_max: float = 10.0
    """Greatest return, for heads that have one."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.v_min >= self.v_max:
            raise ValueError("v_min must be less than v_max")
        return self


class TwinCriticOptions(CriticOptions):
    """Of two critics, of which the least counts."""

    members: int = Field(2, ge=1)
    """Critics, which differ in their first parameters."""
