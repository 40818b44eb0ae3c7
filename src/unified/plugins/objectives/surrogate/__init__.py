"""The clipped surrogate objective of PPO."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="surrogate",
    target="unified.plugins.objectives.surrogate.objective:Surrogate",
    example="--agent ppo --suite gym:CartPole-v1 -o +surrogate",
    summary="the clipped surrogate of PPO: actions that did better become likelier, within bounds",
)
