"""Hyper-parameters of SAC, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import ActorCriticOptions
from unified.plugins.agents.robots import HINDSIGHT, MAZE, OBJECTS, REACH, SLIDE, WIDE, ZOO


class SACOptions(ActorCriticOptions):
    """The settings of the paper's table 1; `PRESETS` holds what differs by task."""

    alpha: float = Field(1.0, gt=0)
    """What entropy is worth at the start."""
    learn_alpha: bool = True
    """Whether the temperature is learned, so that the policy keeps its target entropy; else it stays."""
    target_entropy: float | None = None
    """Entropy that the policy is to keep; null: entropy_per_number for numbers, and a share of the greatest for choices."""
    entropy_per_number: float = -1.0
    """Entropy for each number of an action that a policy of numbers is to keep (Lee et al. 2025: -0.5)."""
    entropy_share: float = Field(0.7, ge=0, le=1)
    """Share of the greatest entropy that a policy of choices is to keep. Christodoulou 2019 has 0.98, for which the temperature has to
    outweigh what one choice is better than another."""
    backup_entropy: bool = True
    """Whether the value of a next state has the entropy of the policy in it."""
    target_critic: bool = True
    """Whether copies of the critics, which follow by tau, value what comes next; else the critics do, in one pass with the prediction."""
    use_sde: bool = False
    """State-dependent exploration (gSDE): for several steps, noise is a function of the state (Raffin et al. 2021); numbers only."""
    sde_sample_freq: int | None = Field(None, ge=1)
    """Steps of an episode after which this function is drawn anew, in each environment by itself; null: once for each episode."""
    log_std_init: float = -3.0
    """First logarithm of the deviation σ of that noise, for each unit of the last hidden layer."""
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
        "mountaincar-continuous",
        "gym:MountainCarContinuous-v*",
        {
            **{"agent.use_sde": True, "agent.sde_sample_freq": 32, "agent.log_std_init": -3.67, "agent.learning_starts": 0},
            **{"agent.alpha": 0.1, "agent.learn_alpha": False, "agent.discount": 0.9999, "agent.tau": 0.01, "agent.batch_size": 512},
            **{"agent.actor.hidden_dim": 64, "agent.critic.hidden_dim": 64, "agent.critic.v_min": -100.0, "agent.critic.v_max": 100.0},
            **{"replay.capacity": 50_000, "train.frames": 50_000},
        },
        "Raffin et al., RL Baselines3 Zoo: sac.yml, whose noise lasts for the 32 steps of a round; 32 updates there are one a step here",
    ),
    Preset(
        "dmc",
        "dmc:*",
        {"agent.critic.v_min": 0.0, "agent.critic.v_max": 200.0},
        "a reward of 1 at most for each of 2 frames of a step: no return exceeds 2 / (1 - γ)",
    ),
    REACH,
    Preset(
        "fetch_objects",
        OBJECTS,
        {**HINDSIGHT, **WIDE, "agent.batch_size": 2_048, "agent.discount": 0.95, "agent.tau": 0.05},
        f"{ZOO}, of TQC",
    ),
    SLIDE,
    MAZE,
)
