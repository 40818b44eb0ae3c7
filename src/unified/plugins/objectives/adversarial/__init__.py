"""Generative adversarial learning, through the path of an actor and its critic."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent, Preset

component = ObjectiveComponent(
    name="adversarial",
    target="unified.plugins.objectives.adversarial.objective:Adversarial",
    presets="unified.plugins.objectives.adversarial:PRESETS",
    example="--suite digits -o adversarial",
    answers=dict.fromkeys(("gan", "dcgan", "wgan"), "-o adversarial"),
    summary="a GAN: the critic tells real from generated, the actor climbs it",
)

PRESETS = (
    Preset("generate", "data", {"suite.task_type": "generate"}, "the actor generates rows of the data set"),
    Preset("stable", "data", {"agent.critic.members": 1, "agent.ema": True}, "one critic, as in R3GAN; averaged weights are steadier"),
)
