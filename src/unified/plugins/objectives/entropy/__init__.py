"""A bonus for policies that stay uncertain."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="entropy",
    target="unified.plugins.objectives.entropy.objective:Entropy",
    example="--agent ppo --suite gym:CartPole-v1 -o +entropy",
    summary="a bonus for the entropy of a policy",
)
