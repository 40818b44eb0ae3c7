"""Hyper-parameters of PQN. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unified import Preset
from unified.agents import CriticOptions, OptimizerName, OptimizerOptions, RolloutOptions, ScheduleText


class NormedCriticOptions(CriticOptions):
    """Options of a critic with layer normalisation."""

    hidden_dim: int = Field(128, ge=1)
    """Units of each hidden layer."""
    norm: Literal["layer"] | None = "layer"
    """Normalisation of the hidden layers: layer, before each ReLU; without it, nothing keeps the values from diverging."""


class RAdamOptions(OptimizerOptions):
    """The optimiser, for every part of the agent."""

    name: OptimizerName = "radam"
    """Optimiser, or an import path of a class: package.module:Class, ./file.py:Class."""


class PQNOptions(RolloutOptions):
    """The settings of CleanRL (`pqn.py`)."""

    lr: float = Field(2.5e-4, gt=0)
    """Learning rate, for every part."""
    optimizer: RAdamOptions = RAdamOptions()
    """Optimiser."""
    max_grad_norm: float | None = Field(10.0, gt=0)
    """Greatest norm of a gradient; null: as it is."""
    n_steps: int = Field(128, ge=1)
    """Steps of each environment in a rollout."""
    epochs: int = Field(4, ge=1)
    """Passes over a rollout."""
    batch_size: int = Field(128, ge=1)
    """Rows of a minibatch, about: a round is divided evenly."""
    q_lambda: float = Field(0.65, ge=0, le=1)
    """λ of the returns: 0 bootstraps after one step, 1 sums the rewards of the whole rollout."""
    epsilon: ScheduleText = "linear(1.0,0.05,250000)"
    """Probability of a random action, over agent steps; 0 in evaluation."""
    bins: int = Field(5, ge=2)
    """Choices of each number of an action, where a task takes numbers."""
    critic: NormedCriticOptions = NormedCriticOptions()
    """Q(s, ·): how its values are represented, and its layers."""


PRESETS = (
    Preset("vector", "*", {"train.num_envs": 4}, "rollouts of several environments are less alike"),
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {
            **{"train.frames": 500_000, "agent.optimizer.schedule": "linear(1,0.0,15616)"},
            **{"agent.critic.v_min": 0.0, "agent.critic.v_max": 100.0},
        },
        "CleanRL, pqn.py: 976 rollouts of 4 environments, each in 4 epochs of 4 minibatches; its layers of 120 and 84 units are 128 here",
    ),
    Preset(
        "atari",
        "atari:*",
        {
            **{"train.num_envs": 8, "train.frames": 40_000_000, "agent.batch_size": 256, "agent.epsilon": "linear(1.0,0.01,1000000)"},
            **{"agent.encoder": "nature_cnn", "agent.encoder.norm": "layer", "agent.critic.depth": 0},
            **{"agent.optimizer.schedule": "linear(1,0.0,156250)"},
        },
        "CleanRL, pqn_atari_envpool.py: 10 million steps of 4 frames, 9,765 rollouts, each in 4 epochs of 4 minibatches",
    ),
)
