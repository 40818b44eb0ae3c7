"""IQL: implicit Q-learning."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="iql",
    target="unified.plugins.agents.iql.agent:IQL",
    config="unified.plugins.agents.iql.config:IQLOptions",
    presets="unified.plugins.agents.iql.config:PRESETS",
    parts=("encoder", "actor", "critic", "value"),
    modules=("encoder", "actor", "critic", "value"),
    task_types=("control",),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "value.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    answers={"implicit_q_learning": "--agent iql"},
    summary="offline actor-critic that never values an action which is not in the data (Kostrikov et al. 2021)",
)
