"""Hyper-parameters of DrQ-v2, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from unified import Options, Part, Preset
from unified.agents import OffPolicyOptions, ScheduleText


class DrQV2CriticOptions(Options):
    """How the two critics represent a value; the layers are the agent's ``feature_dim`` and ``hidden_dim``."""

    short_for: ClassVar[str] = "network"

    network: Part | None = None
    """Architecture between features with an action and the last layer; by default an mlp of agent.hidden_dim."""
    head: Part = "scalar"
    """How a value is represented: scalar, categorical, quantile, implicit_quantile, two_hot, hl_gauss."""
    v_min: float = 0.0
    """Least return, for heads that have one."""
    v_max: float = 200.0
    """Greatest return, likewise: at 1 for each of 2 frames of a step, 2 / (1 - γ)."""
    noisy: bool = False
    """Noise in the weights of the critics, of a learned size; off in evaluation."""


class DrQV2Options(OffPolicyOptions):
    """The common settings of the paper; `PRESETS` holds what differs by task."""

    lr: float = Field(1e-4, gt=0)
    """Learning rate, for every part."""
    n_step: int = Field(3, ge=1)
    """Steps of a return before the bootstrap."""
    tau: float = Field(0.01, gt=0, le=1)
    """Rate at which the target critic follows."""
    feature_dim: int = Field(50, ge=1)
    """Features that actor and critic see."""
    hidden_dim: int = Field(1024, ge=1)
    """Units of their hidden layers."""
    stddev: ScheduleText = "linear(1.0,0.1,100000)"
    """Deviation of the exploration noise, over agent steps."""
    noise_clip: float = Field(0.3, gt=0)
    """Greatest noise in an action that is learned from."""
    learning_starts: int = Field(2000, ge=0)
    """Agent steps of uniform random actions before learning starts (4,000 frames at an action repeat of 2)."""
    updates_per_step: float = Field(0.5, ge=0)
    """Updates for each agent step: one for every second step."""
    pad: int = Field(4, ge=0)
    """Greatest random shift, in pixels."""
    actor: Part | None = None
    """Architecture between features and the last layer of the policy; by default an mlp of agent.hidden_dim."""
    critic: DrQV2CriticOptions = DrQV2CriticOptions()
    """The critics."""


_REFERENCE = "Yarats et al. 2021, and the task files of its code"

PRESETS = (
    Preset(
        "easy",
        "dmc:cartpole_balance dmc:cartpole_balance_sparse dmc:cartpole_swingup dmc:ball_in_cup_catch dmc:finger_spin dmc:hopper_stand "
        "dmc:pendulum_swingup dmc:walker_stand dmc:walker_walk",
        {"train.frames": 1_100_000, "agent.stddev": "linear(1.0,0.1,100000)"},
        _REFERENCE,
    ),
    Preset(
        "medium",
        "dmc:acrobot_swingup dmc:cartpole_swingup_sparse dmc:cheetah_run dmc:finger_turn_easy dmc:finger_turn_hard dmc:hopper_hop "
        "dmc:quadruped_run dmc:quadruped_walk dmc:reacher_easy dmc:reacher_hard dmc:walker_run",
        {"train.frames": 3_100_000, "agent.stddev": "linear(1.0,0.1,500000)"},
        _REFERENCE,
    ),
    Preset(
        "hard",
        "dmc:humanoid_*",
        {"train.frames": 30_100_000, "agent.stddev": "linear(1.0,0.1,2000000)", "agent.lr": 8e-5, "agent.feature_dim": 100},
        _REFERENCE,
    ),
    Preset("walker", "dmc:walker_*", {"agent.n_step": 1, "agent.batch_size": 512}, _REFERENCE),
    Preset("quadruped_run", "dmc:quadruped_run", {"replay.capacity": 100_000}, _REFERENCE),
)
