"""Advantage-weighted regression: the policy imitates actions the more, the better they are."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="awr",
    target="unified.plugins.objectives.awr.objective:AWR",
    example="--agent iql --suite gym:Pendulum-v1 -o +awr",
    answers=dict.fromkeys(("crr", "advantage_weighted_regression"), "-o awr"),
    summary="the likelihood of the actions in the batch, weighted by exponentiated advantages (AWAC, IQL)",
)
