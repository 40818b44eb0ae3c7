"""Learning a labelled task by reward: the label is never shown, only how good an answer was."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="reward",
    target="unified.plugins.objectives.reward.objective:Reward",
    example="--suite digits -o +reward",
    summary="a labelled task learned by reward: the label is never shown, only the reward of an answer",
)
