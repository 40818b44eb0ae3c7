"""Options of the sampler energy. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from unified.plugins.samplers.hindsight.config import HindsightOptions


class EnergyOptions(HindsightOptions):
    """Those of hindsight, and how goals are places of a body of mass 1. The defaults are those of the paper, for the robots of Fetch."""

    dt: float = Field(0.04, gt=0)
    """Seconds of an agent step."""
    gravity: float = Field(9.81, ge=0)
    """Acceleration along the third number of a goal, its height; counts only for goals of three numbers or more."""
    max_energy: float = Field(0.5, gt=0)
    """Greatest energy that a step counts for."""

    @model_validator(mode="after")
    def _has_one_priority(self) -> Self:
        if self.prioritised is not None:
            raise ValueError("energy is the priority: prioritised=null, or replay.sampler=hindsight")
        return self
