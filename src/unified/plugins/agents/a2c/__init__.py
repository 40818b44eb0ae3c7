"""A2C: on-policy control by short rollouts."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="a2c",
    target="unified.plugins.agents.a2c.agent:A2C",
    config="unified.plugins.agents.a2c.config:A2COptions",
    presets="unified.plugins.agents.a2c.config:PRESETS",
    parts=("encoder", "actor"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"hidden_dim": 16, "n_steps": 8},
    example="--suite gym:CartPole-v1",
    answers=dict.fromkeys(("reinforce", "vpg", "pg"), "--agent a2c agent.n_steps=500   (agent.gae_lambda=1 is its default)"),
    summary="on-policy actor-critic: the policy gradient on short rollouts of several environments (Mnih et al. 2016)",
)
