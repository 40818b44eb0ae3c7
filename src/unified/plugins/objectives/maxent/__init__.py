"""Soft policy improvement: the actor climbs its critic and keeps its entropy."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="maxent",
    target="unified.plugins.objectives.maxent.objective:MaxEnt",
    example="--agent sac --suite gym:Pendulum-v1 -o +maxent",
    summary="soft policy improvement: the actor climbs its critic and keeps its entropy",
)
