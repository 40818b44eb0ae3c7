"""Hyper-parameters of PPO. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified.core.components.descriptors import Preset
from unified.core.config.schema import Part
from unified.core.learn.options import LearningOptions


class PPOOptions(LearningOptions):
    """The settings of the paper for continuous control, with the batch sizes that its code uses."""

    lr: float = Field(3e-4, gt=0)
    """Learning rate, for every part."""
    n_steps: int = Field(256, ge=1)
    """Steps of each environment between two rounds of updates."""
    epochs: int = Field(10, ge=1)
    """Passes over these steps in a round."""
    batch_size: int = Field(64, ge=1)
    """Rows of a minibatch, about: a round is divided evenly."""
    discount: float = Field(0.99, ge=0, le=1)
    """γ of one agent step."""
    gae_lambda: float = Field(0.95, ge=0, le=1)
    """λ of the advantages: 0 trusts the critic, 1 the returns."""
    clip_range: float = Field(0.2, gt=0)
    """Greatest change of an action's probability ratio that is rewarded."""
    ent_coef: float = Field(0.0, ge=0)
    """Weight of the entropy bonus."""
    vf_coef: float = Field(0.5, ge=0)
    """Weight of the critic's loss."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Greatest norm of a gradient."""
    hidden_dim: int = Field(64, ge=1)
    """Units of each hidden layer of actor and critic."""
    depth: int = Field(2, ge=0)
    """Hidden layers of actor and critic."""
    stack: int = Field(4, ge=1)
    """Frames in one observation; counts only for pixels."""
    encoder: Part | None = None
    """Architecture of the encoder, shared by actor and critic; by default nature_cnn for pixels and identity for vectors."""
    memory: Part | None = None
    """Recurrent network between encoder and heads, for tasks that hide a part of their state: gru or lstm."""
    sequence_length: int = Field(32, ge=1)
    """Steps that gradients flow back through; counts only with a memory."""


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
            **{"agent.clip": 0.1, "agent.ent_coef": 0.01, "agent.hidden_dim": 512, "agent.depth": 1},
        },
        "Schulman et al. 2017, table 5",
    ),
)
