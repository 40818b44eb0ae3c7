"""Imitation: the policy is made to do what was done."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="nll",
    target="unified.plugins.objectives.nll.objective:NLL",
    example="--suite digits -o nll",
    answers=dict.fromkeys(("imitate", "bc", "behaviour_cloning", "behavior_cloning", "cross_entropy"), "-o nll"),
    summary="the likelihood of the actions in the batch: classification, regression, cloning",
)
