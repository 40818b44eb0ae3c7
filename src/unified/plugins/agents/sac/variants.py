"""What the variants of SAC set, and how they differ by task. Nothing but values: the descriptors read it."""

from __future__ import annotations

from unified import Preset

#: Kuznetsov et al. 2020: five critics of 25 quantiles each, without the 2 greatest of each; the actor climbs the mean of all quantiles.
TQC = {
    **{"agent.critic.head": "quantile", "agent.critic.head.atoms": 25, "agent.critic.members": 5},
    **{"agent.critic.reduce": "truncated(2)", "agent.climb": "average"},
}
TQC_PRESETS = (
    Preset("tqc_hopper", "gym:Hopper-v*", {"agent.critic.reduce": "truncated(5)"}, "Kuznetsov et al. 2020, table 2"),
    Preset("tqc_halfcheetah", "gym:HalfCheetah-v*", {"agent.critic.reduce": "truncated(0)"}, "Kuznetsov et al. 2020, table 2"),
    Preset("tqc_pendulum", "gym:Pendulum-v*", {"train.frames": 20_000, "agent.lr": 1e-3}, "Raffin et al., RL Baselines3 Zoo"),
)

#: 20 updates of the critics for each step, of which the last moves the actor too.
OFTEN = {"agent.updates_per_step": 20, "agent.policy_delay": 20, "agent.climb": "average"}
#: Target entropies of Janner et al. 2019 (MBPO), which the authors of REDQ and DroQ use: -dim(A) would be -17 for a humanoid.
ENTROPIES = tuple(
    Preset(
        f"mbpo_{task.lower()}", f"gym:{task}-v*", {"agent.target_entropy": entropy, "train.frames": frames}, "Chen et al. 2021, appendix B"
    )
    for task, entropy, frames in (
        ("Hopper", -1.0, 125_000),
        ("HalfCheetah", -3.0, 400_000),
        ("Walker2d", -3.0, 300_000),
        ("Ant", -4.0, 300_000),
        ("Humanoid", -2.0, 300_000),
    )
)
_SHORT = Preset("often_pendulum", "gym:Pendulum-v*", {"train.frames": 3_000, "evaluate.every": 500}, "20 updates for each step: 60,000")
_STARTS = {"agent.learning_starts": 5_000}
_MUJOCO = "gym:HalfCheetah-v* gym:Hopper-v* gym:Walker2d-v* gym:Ant-v* gym:Humanoid-v*"

#: Chen et al. 2021, algorithm 1 and table 2: the least of 2 random critics of 10 is the target, the actor climbs the average of all.
REDQ = {**OFTEN, "agent.critic.members": 10, "agent.critic.reduce": "subset(2)"}
REDQ_PRESETS = (Preset("redq_mujoco", _MUJOCO, _STARTS, "Chen et al. 2021, table 2"), *ENTROPIES, _SHORT)

#: Hiraoka et al. 2022: two critics, whose dropout stands for an ensemble.
DROQ = {**OFTEN, "agent.critic.dropout": 0.01, "agent.critic.norm": "layer"}
DROQ_PRESETS = (
    Preset("droq_mujoco", _MUJOCO, _STARTS, "Hiraoka et al. 2022, table 2"),
    *ENTROPIES,
    *(
        Preset(f"droq_{task.lower()}", f"gym:{task}-v*", {"agent.critic.dropout": dropout}, "Hiraoka et al. 2022, table 4")
        for task, dropout in (("Hopper", 1e-4), ("Walker2d", 0.005), ("Humanoid", 0.1))
    ),
    _SHORT,
)

#: Bhatt et al. 2024, table 2, with critics half as wide, as in Stable-Baselines3-contrib.
CROSSQ = {
    **{"agent.target_critic": False, "agent.critic.norm": "batch_renorm", "agent.actor.norm": "batch_renorm"},
    **{"agent.critic.hidden_dim": 1024, "agent.lr": 1e-3, "agent.optimizer.betas": [0.5, 0.999], "agent.policy_delay": 3},
}
CROSSQ_PRESETS = (
    Preset("crossq_mujoco", _MUJOCO, {"agent.critic.hidden_dim": 2048, **_STARTS}, "Bhatt et al. 2024, table 2"),
    Preset(
        "crossq_pendulum",
        "gym:Pendulum-v*",
        {"train.frames": 20_000, "agent.critic.hidden_dim": 256, "agent.policy_delay": 2},
        "Raffin et al., RL Baselines3 Zoo",
    ),
)

#: Lee et al. 2025, table 8; weight decay of everything but α, of gains and biases too.
SIMBA = {
    **{"agent.actor": "simba", "agent.actor.hidden_dim": 128, "agent.actor.depth": 1},
    **{"agent.critic": "simba", "agent.critic.hidden_dim": 512, "agent.critic.depth": 2},
    **{"agent.lr": 1e-4, "agent.optimizer": "adamw", "agent.optimizer.weight_decay": 1e-2, "agent.optimizer.parts.alpha.weight_decay": 0.0},
    **{
        "agent.alpha": 0.01,
        "agent.learn_alpha": True,
        "agent.entropy_per_number": -0.5,
        "agent.updates_per_step": 2,
        "agent.learning_starts": 5_000,
    },
}
SIMBA_PRESETS = (
    Preset("simba_gym", "gym:*", {"agent.normalize_observations": True}, "Lee et al. 2025, section 4.1: for vectors"),
    Preset("simba_dmc", "dmc:*", {"agent.critic.members": 1}, "Lee et al. 2025: one critic where no episode ends early"),
)

#: Kumar et al. 2020, appendix F, and the code of its authors: no entropy in the backup, and a slow actor.
CQL = {
    **{"objective": ["+cql"], "agent.backup_entropy": False, "agent.critic.depth": 3, "agent.actor.depth": 3},
    "agent.optimizer.parts.actor.lr": 3e-5,
}
CQL_PRESETS = (
    Preset(
        "cql_pendulum",
        "gym:Pendulum-v*",
        {"train.updates": 20_000, "agent.optimizer.parts.actor.lr": 3e-4},
        "the paper's rate of the actor is for a million updates; not tuned",
    ),
)
