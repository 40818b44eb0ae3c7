"""The clipped surrogate objective of PPO."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="ppo_clip",
    target="unified.plugins.objectives.ppo_clip.objective:PPOClip",
    example="--agent ppo --suite gym:CartPole-v1 -o +ppo_clip",
    answers={"surrogate": "-o ppo_clip"},
    summary="the clipped surrogate of PPO: actions that did better become likelier, within bounds",
)
