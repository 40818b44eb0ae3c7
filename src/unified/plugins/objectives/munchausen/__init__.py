"""Munchausen reinforcement learning: temporal differences that reward the likelihood of the own action."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="munchausen",
    target="unified.plugins.objectives.munchausen.objective:Munchausen",
    presets="unified.plugins.objectives.munchausen.presets:PRESETS",
    example="--agent dqn --suite gym:CartPole-v1 -o munchausen",
    answers=dict.fromkeys(("mdqn", "m-dqn", "munchausen_dqn"), "--agent dqn -o munchausen"),
    summary="soft temporal differences that reward the likelihood of the own action (Munchausen)",
)
