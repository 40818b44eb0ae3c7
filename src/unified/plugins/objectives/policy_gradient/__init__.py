"""The policy gradient with advantages."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="policy_gradient",
    target="unified.plugins.objectives.policy_gradient.objective:PolicyGradient",
    example="--agent a2c --suite gym:CartPole-v1 -o +policy_gradient",
    summary="the policy gradient: the log-probability of an action, weighted by its advantage",
)
