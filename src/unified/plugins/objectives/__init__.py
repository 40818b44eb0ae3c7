"""Objectives: one file for each family."""

from __future__ import annotations

from unified.core.components import ObjectiveComponent

components = (
    ObjectiveComponent(
        name="td",
        target="unified.plugins.objectives.td:TD",
        needs=("obs", "action", "reward", "discount", "next_obs", "weight"),
        trains=("encoder", "critic"),
        summary="n-step temporal differences against the agent's bootstrap",
    ),
    ObjectiveComponent(
        name="dpg",
        target="unified.plugins.objectives.dpg:DPG",
        needs=("obs",),
        trains=("actor",),
        summary="the deterministic policy gradient: the actor climbs its critic",
    ),
)
