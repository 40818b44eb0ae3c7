"""AWAC: advantage-weighted actor-critic."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="awac",
    target="unified.plugins.agents.awac.agent:AWAC",
    config="unified.plugins.agents.awac.config:AWACOptions",
    presets="unified.plugins.agents.awac.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control",),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    summary="actor-critic whose policy imitates the better actions of a replay, offline and then online (Nair et al. 2020)",
)
