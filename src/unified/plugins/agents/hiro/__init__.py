"""HIRO: a hierarchy of two levels, each an off-policy actor-critic."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="hiro",
    target="unified.plugins.agents.hiro.agent:HIRO",
    config="unified.plugins.agents.hiro.config:HIROOptions",
    parts=("high_actor", "high_critic", "low_actor", "low_critic"),
    task_types=("control",),
    small={"batch_size": 8, "actor.hidden_dim": 16, "critic.hidden_dim": 16, "learning_starts": 30, "interval": 3},
    example="--suite gym:Pendulum-v1",
    answers=dict.fromkeys(("hierarchical", "hrl", "feudal"), "--agent hiro"),
    summary="two levels: the high one sets goals for the observations of the low one (Nachum et al. 2018)",
)
