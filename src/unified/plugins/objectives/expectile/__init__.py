"""Expectile regression of a state's value on the values of the actions that were taken there."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="expectile",
    target="unified.plugins.objectives.expectile.objective:Expectile",
    example="--agent iql --suite gym:Pendulum-v1 -o +expectile",
    summary="an expectile of the values of the actions in the data: the best of them without asking for others (IQL)",
)
