"""Temporal-difference learning of a critic."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="td",
    target="unified.plugins.objectives.td.objective:TD",
    summary="n-step temporal differences against the agent's bootstrap",
)
