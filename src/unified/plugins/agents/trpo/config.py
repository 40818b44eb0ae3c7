"""Hyper-parameters of TRPO. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Preset
from unified.agents import OnPolicyOptions


class TRPOOptions(OnPolicyOptions):
    """The defaults of sb3-contrib, with rollouts of several environments."""

    lr: float = Field(1e-3, gt=0)
    """Learning rate of the critic; the policy has none."""
    epochs: int = Field(20, ge=1)
    """Updates of the critic on each rollout; the policy takes one step, with the last of them."""
    target_kl: float = Field(0.01, gt=0)
    """Greatest mean KL divergence δ between the policies before and after a step."""
    cg_steps: int = Field(15, ge=1)
    """Greatest number of conjugate gradient iterations."""
    cg_damping: float = Field(0.1, ge=0)
    """Damping c of the Fisher matrix, F + c I."""
    line_search_steps: int = Field(10, ge=1)
    """Step sizes that the line search tries."""
    line_search_shrink: float = Field(0.8, gt=0, lt=1)
    """Factor from one step size to the next."""


_ZOO = "Raffin et al., the tuned settings of the RL Baselines3 Zoo"

_NORMAL = _ZOO + " (normalize: true)"
_SCALED = {"agent.normalize_observations": True, "agent.normalize_rewards": True}
#: Two environments, and critic updates as many as the passes in minibatches of 128 rows that the zoo has.
_TWO = {"train.num_envs": 2, "agent.n_steps": 1024, "agent.epochs": 320, "agent.optimizer.eps": 1e-5}

PRESETS = (
    Preset("vector", "*", {"train.num_envs": 8}, "rollouts of several environments are less alike"),
    Preset(
        "cartpole",
        "gym:CartPole-v*",
        {
            **{"train.num_envs": 2, "agent.n_steps": 512, "agent.cg_damping": 1e-3, "agent.gae_lambda": 0.98},
            **{"agent.epochs": 40, "train.frames": 100_000},
        },
        _ZOO + "; 20 passes in two minibatches there are 40 passes here",
    ),
    Preset(
        "pendulum",
        "gym:Pendulum-v*",
        {
            **{"train.num_envs": 2, "agent.n_steps": 1024, "agent.discount": 0.9, "agent.epochs": 240},
            **{"agent.use_sde": True, "agent.sde_sample_freq": 4, "train.frames": 100_000},
        },
        _ZOO + "; 15 passes in 16 minibatches there are 240 passes here",
    ),
    Preset("acrobot", "gym:Acrobot-v*", {**_TWO, "agent.epochs": 160, "train.frames": 100_000, **_SCALED}, _NORMAL),
    Preset("mountaincar", "gym:MountainCar-v*", {**_TWO, "train.frames": 100_000, **_SCALED}, _NORMAL),
    Preset(
        "mountaincar-continuous",
        "gym:MountainCarContinuous-v*",
        {**_TWO, "agent.n_steps": 2048, "agent.use_sde": True, "agent.sde_sample_freq": 4, "train.frames": 50_000, **_SCALED},
        _NORMAL,
    ),
    Preset(
        "lunarlander",
        "gym:LunarLander-v*",
        {
            **{"train.num_envs": 2, "agent.n_steps": 512, "agent.cg_damping": 0.01, "agent.gae_lambda": 0.98, "agent.epochs": 120},
            **{"train.frames": 200_000, "agent.optimizer.eps": 1e-5},
        },
        _ZOO,
    ),
    Preset("lunarlander-continuous", "gym:LunarLanderContinuous-v*", {**_TWO, "train.frames": 100_000, **_SCALED}, _NORMAL),
    Preset(
        "mujoco",
        "gym:Ant-v* gym:HalfCheetah-v* gym:Hopper-v* gym:Walker2d-v* gym:Humanoid-v* gym:Swimmer-v* gym:BipedalWalker-v* "
        "gym:BipedalWalkerHardcore-v*",
        {**_TWO, "agent.cg_steps": 25, "train.frames": 1_000_000, **_SCALED},
        _NORMAL,
    ),
    Preset("halfcheetah", "gym:HalfCheetah-v*", {"agent.target_kl": 0.04}, _NORMAL),
    Preset("swimmer", "gym:Swimmer-v*", {"agent.discount": 0.9999}, _NORMAL),
)
