"""Hyper-parameters of PPO. Torch-free."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from unified import Preset, Schedule
from unified.agents import BudgetScheduleText, PolicyGradientOptions


class PPOOptions(PolicyGradientOptions):
    """The settings of the paper for continuous control, with the batch sizes that its code uses."""

    batch_size: int = Field(64, ge=1)
    """Rows of a minibatch, about: a round is divided evenly."""
    clip_range: BudgetScheduleText = "0.2"
    """Clip range ε of the probability ratio: a number, or over agent steps linear(0.2,0.1,100000), or over the budget linear(0.2,0)."""
    clip_range_vf: float | None = Field(None, gt=0)
    """Greatest change of a value that is rewarded; null: any. It depends on the scale of returns."""
    target_kl: float | None = Field(None, gt=0)
    """Leave out the remaining updates on a rollout once its mean KL divergence exceeds 1.5 times this; null: never."""

    @field_validator("clip_range")
    @classmethod
    def _is_positive(cls, text: str) -> str:
        schedule = Schedule(text, 1.0)
        if schedule.least < 0 or schedule(0) <= 0:
            raise ValueError("must begin above 0, and not fall below it")
        return text


_ZOO = "Raffin et al., the tuned settings of the RL Baselines3 Zoo"
_SCALED = {"agent.normalize_observations": True, "agent.normalize_rewards": True}
_NORMAL = _ZOO + " (normalize: true)"
_EPS = {"agent.optimizer.eps": 1e-5}
#: Both decay over the budget.
_DECAY = {"agent.optimizer.schedule": "linear(1,0)"}
#: Tuned by Optuna, one run each; the policy has tanh layers here where the source has ReLU.
_MUJOCO: dict[str, Any] = {"train.num_envs": 1, "agent.n_steps": 512, "train.frames": 1_000_000, **_SCALED, **_EPS}
_TUNED = _NORMAL + ", found by a search on this task; it has ReLU and no orthogonal weights"
_LUNAR = {
    **{"train.num_envs": 16, "agent.n_steps": 1024, "agent.epochs": 4, "agent.discount": 0.999, "agent.gae_lambda": 0.98},
    **{"agent.ent_coef": 0.01, "train.frames": 1_000_000, **_EPS},
}

PRESETS = (
    Preset("vector", "*", {"train.num_envs": 8}, "rollouts of several environments are less alike"),
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {
            **{"agent.n_steps": 32, "agent.epochs": 20, "agent.batch_size": 256, "agent.lr": 1e-3},
            **{"agent.discount": 0.98, "agent.gae_lambda": 0.8, "train.frames": 100_000},
        },
        _ZOO + ", without its decay of rates",
    ),
    Preset(
        "partial",
        "unified.testing:CartPoleWithoutVelocities*",
        {
            **{"agent.n_steps": 128, "agent.epochs": 20, "agent.batch_size": 256, "agent.lr": 3e-4, "agent.discount": 0.98},
            **{"agent.gae_lambda": 0.95, "agent.vf_coef": 0.01, "train.frames": 100_000},
            **{"agent.optimizer.schedule": "linear(1,0.0,7800)", "agent.optimizer.parts.critic.lr": 3e-3},
        },
        "measured: the critic of returns up to 50 learns faster than the policy, and its loss does not outweigh the policy's in clipping",
    ),
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {"agent.n_steps": 256, "agent.discount": 0.9, "agent.gae_lambda": 0.95, "agent.lr": 1e-3, "train.frames": 100_000},
        _ZOO + ", without its exploration by states (agent.use_sde=true agent.sde_sample_freq=4)",
    ),
    Preset(
        "acrobot",
        "gym:Acrobot-v*",
        {
            **{"train.num_envs": 16, "agent.n_steps": 256, "agent.epochs": 4, "agent.gae_lambda": 0.94},
            **{"train.frames": 1_000_000, **_SCALED, **_EPS},
        },
        _NORMAL,
    ),
    Preset(
        "mountaincar",
        "gym:MountainCar-v*",
        {
            **{"train.num_envs": 16, "agent.n_steps": 16, "agent.epochs": 4, "agent.gae_lambda": 0.98},
            **{"train.frames": 1_000_000, **_SCALED, **_EPS},
        },
        _NORMAL,
    ),
    Preset(
        "mountaincar-continuous",
        "gym:MountainCarContinuous-v*",
        {
            **{"train.num_envs": 1, "agent.n_steps": 8, "agent.batch_size": 256, "agent.discount": 0.9999, "agent.gae_lambda": 0.9},
            **{"agent.lr": 7.77e-5, "agent.clip_range": "0.1", "agent.ent_coef": 0.00429, "agent.vf_coef": 0.19},
            **{"agent.max_grad_norm": 5.0, "agent.use_sde": True, "agent.log_std_init": -3.29, "train.frames": 20_000},
            **_SCALED,
            **_EPS,
        },
        _NORMAL,
    ),
    Preset("lunarlander", "gym:LunarLander-v* gym:LunarLanderContinuous-v*", _LUNAR, _ZOO),
    Preset(
        "bipedalwalker",
        "gym:BipedalWalker-v*",
        {
            **{"train.num_envs": 32, "agent.n_steps": 2048, "agent.discount": 0.999, "agent.clip_range": "0.18"},
            **{"train.frames": 5_000_000, **_SCALED, **_EPS},
        },
        _NORMAL,
    ),
    Preset(
        "bipedalwalker-hardcore",
        "gym:BipedalWalkerHardcore-v*",
        {
            **{"train.num_envs": 16, "agent.n_steps": 2048, "agent.ent_coef": 0.001, "agent.lr": 2.5e-4},
            **{"agent.clip_range": "linear(0.2,0)", "train.frames": 100_000_000, **_DECAY, **_SCALED, **_EPS},
        },
        _NORMAL,
    ),
    Preset(
        "mujoco",
        "gym:Ant-v* gym:HalfCheetah-v* gym:Hopper-v* gym:Walker2d-v* gym:Humanoid-v* gym:HumanoidStandup-v* gym:Swimmer-v* gym:Reacher-v* "
        "gym:Pusher-v* gym:InvertedPendulum-v* gym:InvertedDoublePendulum-v*",
        {"train.num_envs": 1, "agent.n_steps": 2048, "train.frames": 1_000_000, **_SCALED, **_EPS},
        _NORMAL + ", the settings of the paper's table 3",
    ),
    Preset(
        "swimmer",
        "gym:Swimmer-v*",
        {
            **{"train.num_envs": 4, "agent.n_steps": 1024, "agent.batch_size": 256, "agent.lr": 6e-4, "agent.discount": 0.9999},
            **{"agent.gae_lambda": 0.98},
        },
        _NORMAL,
    ),
    Preset(
        "halfcheetah",
        "gym:HalfCheetah-v*",
        {
            **_MUJOCO,
            **{"agent.epochs": 20, "agent.discount": 0.98, "agent.gae_lambda": 0.92, "agent.lr": 2.0633e-5, "agent.clip_range": "0.1"},
            **{"agent.ent_coef": 0.000401762, "agent.vf_coef": 0.58096, "agent.max_grad_norm": 0.8},
            **{"agent.log_std_init": -2.0, "agent.hidden_dim": 256},
        },
        _TUNED,
    ),
    Preset(
        "hopper",
        "gym:Hopper-v*",
        {
            **_MUJOCO,
            **{"agent.epochs": 5, "agent.batch_size": 32, "agent.discount": 0.999, "agent.gae_lambda": 0.99, "agent.lr": 9.80828e-5},
            **{"agent.ent_coef": 0.00229519, "agent.vf_coef": 0.835671, "agent.max_grad_norm": 0.7},
            **{"agent.log_std_init": -2.0, "agent.hidden_dim": 256},
        },
        _TUNED,
    ),
    Preset(
        "walker2d",
        "gym:Walker2d-v*",
        {
            **_MUJOCO,
            **{"agent.epochs": 20, "agent.batch_size": 32, "agent.lr": 5.05041e-5, "agent.clip_range": "0.1"},
            **{"agent.ent_coef": 0.000585045, "agent.vf_coef": 0.871923, "agent.max_grad_norm": 1.0},
        },
        _NORMAL + ", found by a search on this task",
    ),
    Preset(
        "minigrid",
        "gym:*MiniGrid-*",
        {"agent.n_steps": 128, "agent.lr": 2.5e-4, "train.frames": 500_000, **_SCALED, **_EPS},
        _NORMAL + ", on flat observations",
    ),
    Preset(
        "atari",
        "atari:*",
        {
            **{"agent.n_steps": 128, "agent.epochs": 4, "agent.batch_size": 256, "agent.lr": 2.5e-4},
            **{"agent.clip_range": "linear(0.1,0)", "agent.ent_coef": 0.01, "agent.hidden_dim": 512, "agent.depth": 1, **_DECAY, **_EPS},
        },
        "Schulman et al. 2017, table 5; " + _ZOO,
    ),
)
