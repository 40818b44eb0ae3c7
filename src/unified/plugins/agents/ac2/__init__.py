"""AC2: the generalist, for every kind of task."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="ac2",
    target="unified.plugins.agents.ac2.agent:make_ac2",
    config="unified.plugins.agents.ac2.config:AC2Options",
    presets="unified.plugins.agents.ac2.config:PRESETS",
    parts=("aug", "encoder", "actor", "critic", "generator", "discriminator"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30},
    example="--suite digits",
    summary="the generalist: encoder, actor and critic for control, classification, regression and generation",
)
