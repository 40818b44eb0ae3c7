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
_FEW = {**component.small, "updates_per_step": 2}
components = (
    component.variant(
        "tqc",
        TQC,
        "sac with critics of quantiles, of which all together lose the greatest (Kuznetsov et al. 2020)",
        presets=f"{_PRESETS}:TQC_PRESETS",
        about=(
            "The N critics of M quantiles each are pooled and sorted, z_(1) ≤ … ≤ z_(NM); the targets are y_i = r + γ (z_(i) - α log "
            "π(a'|s')) for the smallest (M - d) N of them, and each critic learns all of them by the quantile Huber loss. The actor "
            "climbs the mean of all quantiles, L_π = α log π(a|s) - mean z(s, a) (Kuznetsov et al. 2020, section 4)."
        ),
    ),
    component.variant(
        "redq",
        REDQ,
        "sac with ten critics, of which two at random are the target, and 20 updates for each step (Chen et al. 2021)",
        presets=f"{_PRESETS}:REDQ_PRESETS",
        small=_FEW,
        about=(
            "y = r + γ (min_{i ∈ M} Q̄_i(s', a') - α log π(a'|s')), where M are two of ten critics, drawn for each update, and L_π = α "
            "log π(a|s) - mean_i Q_i(s, a); 20 updates of the critics for each step, of which the last moves the actor (Chen et al. 2021, "
            "algorithm 1)."
        ),
    ),
    component.variant(
        "droq",
        DROQ,
        "sac with dropout and layer normalisation in its critics, and 20 updates for each step (Hiraoka et al. 2022)",
        presets=f"{_PRESETS}:DROQ_PRESETS",
        small=_FEW,
        about=(
            "y = r + γ (min_i Q̄_i(s', a') - α log π(a'|s')) and L_π = α log π(a|s) - mean_i Q_i(s, a), as for `redq` with two critics: "
            "each has layers Linear → Dropout → LayerNorm → ReLU, and dropout stays on in targets and in the loss of the actor (Hiraoka "
            "et al. 2022, algorithm 2)."
        ),
    ),
    component.variant(
        "crossq",
        CROSSQ,
        "sac with batch renormalisation and without target networks (Bhatt et al. 2024)",
        presets=f"{_PRESETS}:CROSSQ_PRESETS",
        about=(
            "(q, q') = Q((s, a), (s', a')) in one pass, whose batch renormalisation sees rows and next rows together, and y = r + γ "
            "(min_i q'_i - α log π(a'|s')) without a gradient: there is no target network. The loss of the actor reads the critics with "
            "their running statistics (Bhatt et al. 2024, section 4)."
        ),
    ),
    component.variant(
        "cql",
        CQL,
        "sac whose critics are conservative about actions that are not in the data, offline (Kumar et al. 2020)",
        presets=f"{_PRESETS}:CQL_PRESETS",
        answers={"conservative_q_learning": "--agent cql"},
        about=(
            "The losses of `sac`, and L_Q = TD errors + α' (log Σ_a exp Q(s, a) - Q(s, a_data)): values of actions that are not in the "
            "data are pushed down (Kumar et al. 2020, equation 4)."
        ),
    ),
    component.variant(
        "simba",
        SIMBA,
        "sac with residual networks and weight decay (Lee et al. 2025)",
        presets=f"{_PRESETS}:SIMBA_PRESETS",
        about=(
            "The losses of `sac`; a block of the networks is x' = x + W₂ relu(W₁ LN(x)), behind a linear layer, and LN before the "
            "head, on normalised observations (Lee et al. 2025, section 4.1)."
        ),
    ),
)
