"""Decision Transformer: actions as a function of the return that is wanted."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="decision_transformer",
    target="unified.plugins.agents.decision_transformer.agent:DecisionTransformer",
    config="unified.plugins.agents.decision_transformer.config:DecisionTransformerOptions",
    presets="unified.plugins.agents.decision_transformer.config:PRESETS",
    parts=("encoder",),
    modules=("encoder", "transformer", "actor"),
    task_types=("control",),
    small={"batch_size": 8, "hidden_dim": 16, "depth": 1, "context": 4, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    answers=dict.fromkeys(("dt", "trajectory_transformer"), "--agent decision_transformer"),
    summary="a causal transformer that imitates the episodes of a replay, given the return that is wanted (Chen et al. 2021)",
)
