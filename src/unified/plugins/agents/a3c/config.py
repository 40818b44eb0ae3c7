"""Hyper-parameters of A3C. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.plugins.agents.a2c.config import PRESETS, A2COptions

__all__ = ["PRESETS", "A3COptions"]


class A3COptions(A2COptions):
    """Those of A2C, and the number of workers."""

    workers: int = Field(4, ge=1)
    """Workers that take turns: a gradient is this many updates less one old when it is applied."""
