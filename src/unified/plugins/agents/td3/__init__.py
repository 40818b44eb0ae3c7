"""DDPG and TD3: off-policy control with a deterministic policy."""

from __future__ import annotations

from dataclasses import replace

from unified import AgentComponent
from unified.plugins.agents.td3.config import PAPER

_DDPG = AgentComponent(
    name="ddpg",
    target="unified.plugins.agents.td3.ddpg:DDPG",
    config="unified.plugins.agents.td3.config:DDPGOptions",
    presets="unified.plugins.agents.td3.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    summary="off-policy actor-critic with a deterministic policy and noise on its actions (Lillicrap et al. 2015)",
)
components = (
    _DDPG,
    _DDPG.variant("ddpg_2015", PAPER, "ddpg with the settings of its paper (Lillicrap et al. 2015)"),
    replace(
        _DDPG,
        name="td3",
        target="unified.plugins.agents.td3.agent:TD3",
        config="unified.plugins.agents.td3.config:TD3Options",
        summary="off-policy actor-critic with twin critics, a smoothed target and a delayed actor (Fujimoto et al. 2018)",
    ),
)
