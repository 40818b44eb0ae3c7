"""Flow matching."""

from __future__ import annotations

from unified.core.components.descriptors import ObjectiveComponent, Preset

component = ObjectiveComponent(
    name="flow",
    target="unified.plugins.objectives.flow.objective:FlowMatching",
    presets="unified.plugins.objectives.flow:PRESETS",
    example="--suite digits -o flow",
    answers=dict.fromkeys(("diffusion", "flow_matching", "ddpm"), "-o flow"),
    summary="flow matching: data is generated from noise by following a learned velocity",
)

PRESETS = (
    Preset("generate", "data", {"suite.task_type": "generate", "agent.actor.head": "flow"}, "a flow generates rows of the data set"),
)
