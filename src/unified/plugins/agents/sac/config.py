"""Hyper-parameters of SAC, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import ActorCriticOptions


class SACOptions(ActorCriticOptions):
    """The settings of the paper's table 1; `PRESETS` holds what differs by task."""

    alpha: float = Field(1.0, gt=0)
    """What entropy is worth at the start."""
    target_entropy: float | None = None
    """Entropy that the policy is to keep; null: entropy_per_number for numbers, and a share of the greatest for choices."""
    entropy_per_number: float = -1.0
    """Entropy for each number of an action that a policy of numbers is to keep (Lee et al. 2025: -0.5)."""
    entropy_share: float = Field(0.7, ge=0, le=1)
    """Share of the greatest entropy that a policy of choices is to keep. Christodoulou 2019 has 0.98, for which the temperature has to
    outweigh what one choice is better than another."""
    target_critic: bool = True
    """Whether copies of the critics, which follow by tau, value what comes next; else the critics do, in one pass with the prediction."""
    bins: int = Field(5, ge=2)
    """Choices of each number of an action, where the actor's head is categorical and the task takes numbers."""


PRESETS = (
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {"train.frames": 10_000, "evaluate.every": 2_000, "agent.critic.v_min": -1500.0, "agent.critic.v_max": 0.0},
        "one step costs 16.3 at most, 200 of them 1,410 discounted",
    ),
    Preset(
        "mujoco",
        "gym:HalfCheetah-v* gym:Hopper-v* gym:Walker2d-v* gym:Ant-v* gym:Humanoid-v* gym:Swimmer-v*",
        {"train.frames": 1_000_000, "agent.learning_starts": 10_000, "agent.critic.v_min": -200.0, "agent.critic.v_max": 1500.0},
        "Haarnoja et al. 2018, table 1; the start as in its code, 10,000 steps",
    ),
    Preset(
        "reacher",
        "gym:Reacher-v* gym:InvertedPendulum-v* gym:InvertedDoublePendulum-v* gym:Pusher-v*",
        {"train.frames": 100_000, "agent.critic.v_min": -200.0, "agent.critic.v_max": 1000.0},
        "short tasks: a tenth of the steps",
    ),
    Preset(
        "dmc",
        "dmc:*",
        {"agent.critic.v_min": 0.0, "agent.critic.v_max": 200.0},
        "a reward of 1 at most for each of 2 frames of a step: no return exceeds 2 / (1 - γ)",
    ),
)

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
    **{"agent.alpha": 0.01, "agent.entropy_per_number": -0.5, "agent.updates_per_step": 2, "agent.learning_starts": 5_000},
}
SIMBA_PRESETS = (Preset("simba_dmc", "dmc:*", {"agent.critic.members": 1}, "Lee et al. 2025: one critic where no episode ends early"),)
