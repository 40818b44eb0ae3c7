"""Regression of a state's value on the return that came of it."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="value_mse",
    target="unified.plugins.objectives.value_mse.objective:ValueMSE",
    example="--agent ppo --suite gym:CartPole-v1 -o +value_mse",
    answers={"value": "-o value_mse"},
    summary="regression of a state's value on the return that followed it",
)
