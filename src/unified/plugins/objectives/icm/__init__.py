"""Intrinsic curiosity: a reward for what an action did that was not expected."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="icm",
    target="unified.plugins.objectives.icm.objective:ICM",
    example="--agent ppo --suite gym:MountainCar-v0 -o +icm",
    summary="intrinsic curiosity module: rewards steps whose outcome the agent did not expect",
)
