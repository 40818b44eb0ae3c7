"""SAC: soft actor-critic."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="sac",
    target="unified.plugins.agents.sac.agent:SAC",
    config="unified.plugins.agents.sac.config:SACOptions",
    presets="unified.plugins.agents.sac.config:PRESETS",
    parts=("encoder", "actor", "critic"),
    modules=("encoder", "actor", "critic", "alpha"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    answers=dict.fromkeys(("sacd", "sac_discrete", "discrete_sac"), "--agent sac"),
    summary="off-policy actor-critic of maximum entropy, for numbers and for choices (Haarnoja et al. 2018)",
)
