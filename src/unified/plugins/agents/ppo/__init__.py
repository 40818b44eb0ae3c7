"""PPO: on-policy control."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="ppo",
    target="unified.plugins.agents.ppo.agent:PPO",
    config="unified.plugins.agents.ppo.config:PPOOptions",
    presets="unified.plugins.agents.ppo.config:PRESETS",
    parts=("encoder", "actor"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 16, "hidden_dim": 16, "n_steps": 16, "epochs": 2},
    example="--suite gym:CartPole-v1",
    summary="on-policy actor-critic with clipped updates, for choices and numbers (Schulman et al. 2017)",
)
