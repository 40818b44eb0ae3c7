"""A2C and A3C: on-policy control by short rollouts."""

from __future__ import annotations

from dataclasses import replace

from unified import AgentComponent

_CONFIG = "unified.plugins.agents.a2c.config"

_a2c = AgentComponent(
    name="a2c",
    target="unified.plugins.agents.a2c.agent:A2C",
    config=f"{_CONFIG}:A2COptions",
    presets=f"{_CONFIG}:PRESETS",
    parts=("encoder", "actor"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"hidden_dim": 16, "n_steps": 8},
    example="--suite gym:CartPole-v1",
    answers=dict.fromkeys(("reinforce", "vpg", "pg"), "--agent a2c agent.n_steps=500   (agent.gae_lambda=1 is its default)"),
    summary="on-policy actor-critic: the policy gradient on short rollouts of several environments (Mnih et al. 2016)",
)

_a3c = replace(
    _a2c,
    name="a3c",
    target="unified.plugins.agents.a2c.late:A3C",
    config=f"{_CONFIG}:A3COptions",
    small={**_a2c.small, "workers": 2},
    example="--suite gym:CartPole-v1 agent.workers=4",
    answers={},
    summary="a2c whose gradients come from workers in turn, and are late by a fixed number of updates (Mnih et al. 2016)",
)

components = (_a2c, _a3c)
