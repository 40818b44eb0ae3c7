"""Learning a labelled task by reward: the label is never shown, only how good an answer was."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent

component = ObjectiveComponent(
    name="reinforce_critic",
    target="unified.plugins.objectives.reinforce_critic.objective:ReinforceCritic",
    example="--suite digits -o +reinforce_critic",
    answers={"reward": "-o reinforce_critic"},
    summary="a labelled task learned by reward: the label is never shown, only the reward of an answer",
)
