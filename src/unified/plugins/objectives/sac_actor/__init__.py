"""Soft policy improvement: the actor climbs its critic and keeps its entropy."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="sac_actor",
    target="unified.plugins.objectives.sac_actor.objective:SACActor",
    example="--agent sac --suite gym:Pendulum-v1 -o +sac_actor",
    answers={"maxent": "-o sac_actor"},
    summary="soft policy improvement: the actor climbs its critic and keeps its entropy",
)
