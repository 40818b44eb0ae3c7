"""Imitation: the policy is made to do what was done."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="imitate",
    target="unified.plugins.objectives.imitate.objective:Imitate",
    example="--suite digits -o imitate",
    summary="the likelihood of the actions in the batch: classification, regression, cloning",
)
