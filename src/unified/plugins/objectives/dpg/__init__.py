"""The deterministic policy gradient."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="dpg",
    target="unified.plugins.objectives.dpg.objective:DPG",
    summary="the deterministic policy gradient: the actor climbs its critic",
)
