"""DrQ-v2: continuous control from pixels."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="drqv2",
    target="unified.plugins.agents.drqv2.agent:DrQV2",
    config="unified.plugins.agents.drqv2.config:DrQV2Options",
    presets="unified.plugins.agents.drqv2.config:PRESETS",
    parts=("encoder", "critic"),
    modules=("encoder", "actor", "critic"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "hidden_dim": 16, "feature_dim": 8, "learning_starts": 30, "stddev": "0.3"},
    example="--suite dmc:walker_walk",
    answers=dict.fromkeys(("drq", "drq-v2", "drq_v2"), "--agent drqv2"),
    summary="off-policy actor-critic with random shifts, from pixels or vectors (Yarats et al. 2021)",
)
