"""TRPO: on-policy control within a trust region."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="trpo",
    target="unified.plugins.agents.trpo.agent:TRPO",
    config="unified.plugins.agents.trpo.config:TRPOOptions",
    presets="unified.plugins.agents.trpo.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"hidden_dim": 16, "n_steps": 16, "epochs": 4},
    example="--suite gym:CartPole-v1",
    summary="on-policy actor-critic: natural gradient steps of limited KL divergence, with a line search (Schulman et al. 2015)",
)
