"""TD3: off-policy control with a delayed actor."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="td3",
    target="unified.plugins.agents.td3.agent:TD3",
    config="unified.plugins.agents.td3.config:TD3Options",
    presets="unified.plugins.agents.td3.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    summary="off-policy actor-critic with twin critics, a smoothed target and a delayed actor (Fujimoto et al. 2018)",
)
