"""Options of the callback goals. Torch-free."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from unified.core.components.options import Options


class GoalsOptions(Options):
    """Which goals training episodes pursue. The defaults are those of MEGA's authors (Pitis et al. 2020, the code of mrl)."""

    chooser: Literal["mega", "omega", "diverse", "achieved", "minq", "goal_disc"] = "mega"
    """mega: least density; omega: the task's goals more and more; diverse: by density to a power; achieved: any; minq: least value;
    goal_disc: success as likely as failure."""
    density: Literal["kde", "rnd", "flow"] = "kde"
    """Density of achieved goals: of kernels, by the error of a predictor, or by a normalising flow."""
    alpha: float = Field(-1.0, le=0)
    """Power of the density, of the chooser diverse: -1 is uniform over what was achieved, 0 as often as it was achieved."""
    beta: float = -3.0
    """Added to the divergence of achieved from desired goals, of the chooser omega: it keeps the task's goal with 1 / max(beta + KL, 1)."""
    candidates: int = Field(100, ge=1)
    """Achieved goals that one is chosen from. Until finished episodes hold so many, the task's own goals are pursued."""
    cutoff: float | None = -3.0
    """Least value of a goal that is within reach, in rewards of -1 per step; it adapts to successes. null: all goals are."""
    bandwidth: float = Field(0.1, gt=0)
    """Standard deviation of the kernels, in standard deviations of the achieved goals."""
    samples: int = Field(10_000, ge=2)
    """Achieved goals that a density is fitted to."""
    fit_every: int = Field(100, ge=1)
    """Agent steps after which it is fitted anew."""
    explore: float = Field(0.1, ge=0, le=1)
    """Share of random actions that each step at the goal adds until the episode ends."""

    @model_validator(mode="after")
    def _omega_compares_densities(self) -> Self:
        if self.chooser == "omega" and self.density == "rnd":
            raise ValueError("chooser=omega compares densities, and density=rnd only ranks goals: density=kde or flow")
        return self
