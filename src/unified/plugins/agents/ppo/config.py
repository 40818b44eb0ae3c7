"""Hyper-parameters of PPO. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import OnPolicyOptions


class PPOOptions(OnPolicyOptions):
    """The settings of the paper for continuous control, with the batch sizes that its code uses."""

    batch_size: int = Field(64, ge=1)
    """Rows of a minibatch, about: a round is divided evenly."""
    clip_range: float = Field(0.2, gt=0)
    """Greatest change of an action's probability ratio that is rewarded."""
    ent_coef: float = Field(0.0, ge=0)
    """Weight of the entropy bonus."""
    vf_coef: float = Field(0.5, ge=0)
    """Weight of the critic's loss."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Greatest norm of a gradient."""


_ZOO = "Raffin et al., the tuned settings of the RL Baselines3 Zoo"

PRESETS = (
    Preset("vector", "*", {"train.num_envs": 8}, "rollouts of several environments are less alike"),
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {
            **{"agent.n_steps": 32, "agent.epochs": 20, "agent.batch_size": 256, "agent.lr": 1e-3},
            **{"agent.discount": 0.98, "agent.gae_lambda": 0.8, "train.frames": 100_000},
        },
        _ZOO,
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
        _ZOO,
    ),
    Preset(
        "atari",
        "atari:*",
        {
            **{"agent.n_steps": 128, "agent.epochs": 4, "agent.batch_size": 256, "agent.lr": 2.5e-4},
            **{"agent.clip_range": 0.1, "agent.ent_coef": 0.01, "agent.hidden_dim": 512, "agent.depth": 1},
        },
        "Schulman et al. 2017, table 5",
    ),
)
