"""DDPG: off-policy control with a deterministic policy."""

from __future__ import annotations

from unified import AgentComponent
from unified.plugins.agents.ddpg.config import PAPER

component = AgentComponent(
    name="ddpg",
    target="unified.plugins.agents.ddpg.agent:DDPG",
    config="unified.plugins.agents.ddpg.config:DDPGOptions",
    presets="unified.plugins.agents.ddpg.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    summary="off-policy actor-critic with a deterministic policy and noise on its actions (Lillicrap et al. 2015)",
)
components = (component.variant("ddpg_2015", PAPER, "ddpg with the settings of its paper (Lillicrap et al. 2015)"),)
