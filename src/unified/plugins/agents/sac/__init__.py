"""SAC: soft actor-critic."""

from __future__ import annotations

from unified import AgentComponent
from unified.plugins.agents.sac.variants import CQL, CROSSQ, DROQ, REDQ, SIMBA, TQC

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
_PRESETS = "unified.plugins.agents.sac.variants"
components = (
    component.variant(
        "tqc",
        TQC,
        "sac with critics of quantiles, of which all together lose the greatest (Kuznetsov et al. 2020)",
        presets=f"{_PRESETS}:TQC_PRESETS",
    ),
    component.variant(
        "redq",
        REDQ,
        "sac with ten critics, of which two at random are the target, and 20 updates for each step (Chen et al. 2021)",
        presets=f"{_PRESETS}:REDQ_PRESETS",
    ),
    component.variant(
        "droq",
        DROQ,
        "sac with dropout and layer normalisation in its critics, and 20 updates for each step (Hiraoka et al. 2022)",
        presets=f"{_PRESETS}:DROQ_PRESETS",
    ),
    component.variant(
        "crossq",
        CROSSQ,
        "sac with batch renormalisation and without target networks (Bhatt et al. 2024)",
        presets=f"{_PRESETS}:CROSSQ_PRESETS",
    ),
    component.variant(
        "cql",
        CQL,
        "sac whose critics are conservative about actions that are not in the data, offline (Kumar et al. 2020)",
        presets=f"{_PRESETS}:CQL_PRESETS",
        answers={"conservative_q_learning": "--agent cql"},
    ),
    component.variant(
        "simba",
        SIMBA,
        "sac with residual networks and weight decay (Lee et al. 2025)",
        presets=f"{_PRESETS}:SIMBA_PRESETS",
    ),
)
