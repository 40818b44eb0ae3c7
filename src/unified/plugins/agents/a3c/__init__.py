"""A3C: on-policy control with gradients of several workers."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="a3c",
    target="unified.plugins.agents.a3c.agent:A3C",
    config="unified.plugins.agents.a3c.config:A3COptions",
    presets="unified.plugins.agents.a3c.config:PRESETS",
    parts=("encoder", "actor"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"hidden_dim": 16, "n_steps": 8, "workers": 2},
    example="--suite gym:CartPole-v1 agent.workers=4",
    summary="a2c whose gradients come from workers in turn, and are late by a fixed number of updates (Mnih et al. 2016)",
)
