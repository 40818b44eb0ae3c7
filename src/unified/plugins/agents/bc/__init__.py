"""Behaviour cloning."""

from __future__ import annotations

from unified import AgentComponent

component = AgentComponent(
    name="bc",
    target="unified.plugins.agents.bc.agent:BC",
    config="unified.plugins.agents.bc.config:BCOptions",
    parts=("encoder", "actor"),
    modules=("encoder", "actor"),
    task_types=("control", "classify", "regress"),
    small={"batch_size": 8, "actor.hidden_dim": 16, "learning_starts": 30},
    example="--suite gym:Pendulum-v1",
    answers={
        **dict.fromkeys(("behaviour_cloning", "behavior_cloning", "imitation"), "--agent bc offline=true replay.load=RUN"),
        **dict.fromkeys(("10bc", "10%bc", "percent_bc"), "--agent bc replay.top=0.1 offline=true replay.load=RUN"),
    },
    summary="behaviour cloning: a policy that does what was done in a replay (Pomerleau 1991)",
)
