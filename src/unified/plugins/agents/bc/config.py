"""Hyper-parameters of behaviour cloning. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.agents import ActorOptions, OffPolicyOptions


class BCOptions(OffPolicyOptions):
    """The settings of Fujimoto & Gu 2021; rewards, discount and targets play no part."""

    pad: int = Field(4, ge=0)
    """Greatest random shift, in pixels; counts only for pixels."""
    feature_dim: int = Field(50, ge=1)
    """Features of pixels behind the bottleneck of the actor."""
    actor: ActorOptions = ActorOptions()
    """The policy; by default deterministic for numbers and categorical for choices."""
