"""Tasks and options of the suite goals. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.options import Options

TASKS = ("bit_flip", "point_reach")


class GoalsOptions(Options):
    """The size of the tasks."""

    n: int = Field(10, ge=1)
    """Bits of bit_flip, and steps of its episodes; point_reach has no size."""
