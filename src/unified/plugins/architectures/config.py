"""Options of the architectures: their arguments beside the shapes, which are inferred. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.options import Options


class CNNOptions(Options):
    """Of `DrQV2CNN`."""

    channels: int = Field(32, ge=1)
    """Of each convolution."""


class MLPOptions(Options):
    """Of `MLP`."""

    hidden: int = Field(256, ge=1)
    """Units of each hidden layer."""
    depth: int = Field(2, ge=0)
    """Hidden layers."""
