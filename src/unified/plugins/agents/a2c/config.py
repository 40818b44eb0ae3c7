"""Hyper-parameters of A2C. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import PolicyGradientOptions


class A2COptions(PolicyGradientOptions):
    """The defaults of OpenAI Baselines and Stable-Baselines3; their optimiser, RMSProp, is set by a preset."""

    lr: float = Field(7e-4, gt=0)
    """Learning rate."""
    n_steps: int = Field(5, ge=1)
    """Steps of each environment in a rollout."""
    epochs: int = Field(1, ge=1, le=1)
    """Passes over a rollout: one, since the gradient is that of the policy which acted."""
    gae_lambda: float = Field(1.0, ge=0, le=1)
    """GAE λ: 1 bootstraps from the last value of a rollout only, as in the paper."""
    normalize_advantage: bool = False
    """Whether advantages are standardised over a rollout."""


class A3COptions(A2COptions):
    """Those of A2C, and the number of workers."""

    workers: int = Field(4, ge=1)
    """Workers that take turns: a gradient is this many updates less one old when it is applied."""


_ZOO = "Raffin et al., the tuned settings of the RL Baselines3 Zoo"
_SCALED = {"agent.normalize_observations": True, "agent.normalize_rewards": True}
_NORMAL = _ZOO + " (normalize: true)"
#: Of the tasks with actions of numbers.
_NUMBERS = {
    **{"agent.n_steps": 8, "agent.gae_lambda": 0.9, "agent.vf_coef": 0.4, "agent.optimizer.schedule": "linear(1,0)"},
    **{"agent.log_std_init": -2.0, "agent.use_sde": True, **_SCALED},
}

PRESETS = (
    Preset(
        "rmsprop",
        "*",
        {"train.num_envs": 8, "agent.optimizer.name": "rmsprop", "agent.optimizer.eps": 1e-5},
        "Mnih et al. 2016, section 4, with the constants of Stable-Baselines3",
    ),
    Preset("cartpole", "gym:CartPole-v*", {"train.frames": 500_000}, _ZOO),
    Preset("acrobot", "gym:Acrobot-v*", {"train.num_envs": 16, "train.frames": 500_000, **_SCALED}, _NORMAL),
    Preset("mountaincar", "gym:MountainCar-v*", {"train.num_envs": 16, "train.frames": 1_000_000, **_SCALED}, _NORMAL),
    Preset(
        "lunarlander",
        "gym:LunarLander-v*",
        {
            **{"agent.discount": 0.995, "agent.lr": 8.3e-4, "agent.optimizer.schedule": "linear(1,0)"},
            **{"agent.ent_coef": 1e-5, "train.frames": 200_000},
        },
        _ZOO,
    ),
    Preset("pendulum", "gym:Pendulum-v*", {**_NUMBERS, "agent.discount": 0.9, "train.frames": 1_000_000}, _NORMAL),
    Preset(
        "lunarlander-continuous",
        "gym:LunarLanderContinuous-v*",
        {**_NUMBERS, "train.num_envs": 4, "train.frames": 5_000_000},
        _NORMAL,
    ),
    Preset(
        "mountaincar-continuous",
        "gym:MountainCarContinuous-v*",
        {
            **{"train.num_envs": 4, "agent.n_steps": 100, "agent.use_sde": True, "agent.sde_sample_freq": 16},
            **{"train.frames": 100_000, **_SCALED},
        },
        _NORMAL,
    ),
    Preset(
        "bipedalwalker",
        "gym:BipedalWalker-v*",
        {**_NUMBERS, "train.num_envs": 16, "agent.lr": 9.6e-4, "train.frames": 5_000_000},
        _NORMAL,
    ),
    Preset(
        "mujoco",
        "gym:HalfCheetah-v* gym:Ant-v* gym:Hopper-v* gym:Walker2d-v* gym:Humanoid-v* gym:Swimmer-v*",
        {"train.num_envs": 1, "train.frames": 1_000_000, **_SCALED},
        _NORMAL,
    ),
    Preset("swimmer", "gym:Swimmer-v*", {"agent.discount": 0.9999}, _ZOO + ": the task has no episode ends"),
    Preset(
        "atari",
        "atari:*",
        {
            **{"train.num_envs": 16, "agent.optimizer.name": "rmsprop_tf", "agent.ent_coef": 0.01, "agent.vf_coef": 0.25},
            **{"agent.hidden_dim": 512, "agent.depth": 1},
        },
        _ZOO,
    ),
)
