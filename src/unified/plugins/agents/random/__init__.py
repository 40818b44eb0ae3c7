"""Uniform random actions."""

from __future__ import annotations

from unified import AgentComponent, Preset

component = AgentComponent(
    name="random",
    target="unified.plugins.agents.random.agent:Random",
    presets="unified.plugins.agents.random:PRESETS",
    summary="uniform random actions, the floor that every agent is measured against",
)

PRESETS = (
    Preset(
        "data",
        "data",
        {"train.frames": 1000, "evaluate.every": 0},
        "it learns nothing from rows: the evaluation of the test rows at the end is all there is",
    ),
)
