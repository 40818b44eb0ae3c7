"""TD3+BC: the actor climbs its critic and stays near the data."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="td3bc",
    target="unified.plugins.objectives.td3bc.objective:TD3BC",
    example="--agent td3 --suite gym:Pendulum-v1 -o td3bc",
    answers=dict.fromkeys(("td3_bc", "td3+bc", "td3plusbc"), "-o td3bc"),
    summary="the deterministic policy gradient with behaviour cloning, for data that is there already (TD3+BC)",
)
