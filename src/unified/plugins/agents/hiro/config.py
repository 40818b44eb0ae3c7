"""Hyper-parameters of HIRO. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from unified import LearningOptions
from unified.agents import ActorOptions, TwinCriticOptions


class HIROOptions(LearningOptions):
    """The settings of the paper (appendix C), as far as it states them; both levels are the same TD3."""

    interval: int = Field(10, ge=1)
    """Steps between two decisions of the high level, c."""
    goal_dims: int | None = Field(None, ge=1)
    """Numbers at the beginning of the observation that goals are for; null: all."""
    goal_range: float = Field(1.0, gt=0)
    """Greatest change of each of these numbers that the high level can ask for."""
    candidates: int = Field(8, ge=0)
    """Gaussian candidates of the correction, beside the original goal and the change that came about."""
    reward_scale: float = Field(0.1, gt=0)
    """Factor on rewards of the task, for the high level."""
    batch_size: int = Field(128, ge=1)
    """Steps of an update, each with the decision of the high level that it belongs to."""
    discount: float = Field(0.99, ge=0, le=1)
    """γ of both levels, of a step and of a decision."""
    tau: float = Field(0.005, gt=0, le=1)
    """Rate at which target networks follow."""
    learning_starts: int = Field(1000, ge=0)
    """Agent steps of uniform random actions before learning starts."""
    updates_per_step: float = Field(1.0, ge=0)
    """Updates of the low level for each agent step; the high level learns in every c-th of them."""
    policy_delay: int = Field(2, ge=1)
    """Updates of the critics for each update of the actor, in either level."""
    noise: float = Field(0.2, ge=0)
    """Deviation of the noise of exploration on actions, of actions within [-1, 1]."""
    goal_noise: float = Field(0.2, ge=0)
    """Deviation of the noise of exploration on goals, in units of goal_range."""
    target_noise: float = Field(0.2, ge=0)
    """Standard deviation of the noise in target actions, and in target goals."""
    target_noise_clip: float = Field(0.5, ge=0)
    """Greatest noise in target actions."""
    actor: ActorOptions = ActorOptions()
    """The policies."""
    critic: TwinCriticOptions = TwinCriticOptions()
    """The critics."""

    @model_validator(mode="after")
    def _compares_goals(self) -> Self:
        if self.normalize_observations or self.normalize_rewards:
            raise ValueError("goals are differences of observations as they are: normalize_observations=false normalize_rewards=false")
        return self
