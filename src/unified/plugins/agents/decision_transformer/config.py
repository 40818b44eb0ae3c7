"""Hyper-parameters of the Decision Transformer, the published ones, and how they differ by task. Torch-free."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from unified import Preset
from unified.agents import OffPolicyOptions, OptimizerName, OptimizerOptions


class DecisionTransformerOptimizerOptions(OptimizerOptions):
    """How parameters are moved along their gradients."""

    name: OptimizerName = "adamw"
    """Optimiser, or an import path of a class: package.module:Class, ./file.py:Class."""
    weight_decay: float = Field(1e-4, ge=0)
    """Weight decay."""


class DecisionTransformerOptions(OffPolicyOptions):
    """The settings of Chen et al. 2021 for MuJoCo, without dropout; discount, n_step and tau play no part."""

    lr: float = Field(1e-4, gt=0)
    """Learning rate, for every part."""
    optimizer: DecisionTransformerOptimizerOptions = DecisionTransformerOptimizerOptions()
    """How parameters are moved along their gradients."""
    max_grad_norm: float | None = Field(0.25, gt=0)
    """Greatest norm of a gradient; null: as it is."""
    batch_size: int = Field(64, ge=1)
    """Windows of an update."""
    stack: int = Field(1, ge=1, le=1)
    """Frames in one observation: one, since a window shows the past."""
    context: int = Field(20, ge=1)
    """Steps of a window, K: what it sees of the past when it acts."""
    hidden_dim: int = Field(128, ge=1)
    """Width of the transformer."""
    depth: int = Field(3, ge=1)
    """Layers of the transformer."""
    heads: int = Field(1, ge=1)
    """Attention heads of each layer."""
    longest: int = Field(1000, ge=1)
    """Steps of an episode that have an embedding of their own; later ones share the last."""
    return_scale: float = Field(1000.0, gt=0)
    """What returns are divided by."""
    target_return: float | None = None
    """Return that is wanted when it acts; null: the greatest return of an episode of the data, without data 0."""

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden_dim % self.heads:
            raise ValueError(f"agent.heads={self.heads} does not divide agent.hidden_dim={self.hidden_dim}")
        return self


PRESETS = (
    Preset(
        "published",
        "*",
        {"agent.optimizer.schedule": "linear(0.0001,1,10000)"},
        "Chen et al. 2021, appendix A: the learning rate rises over 10,000 updates",
    ),
    *(
        Preset(f"dt_{task.lower()}", f"gym:{task}-v*", {"agent.target_return": wanted}, "Chen et al. 2021, appendix A")
        for task, wanted in (("HalfCheetah", 6000.0), ("Hopper", 3600.0), ("Walker2d", 5000.0))
    ),
    Preset(
        "dt_pendulum",
        "gym:Pendulum-v*",
        {"train.updates": 20_000, "agent.optimizer.schedule": "linear(0.001,1,1000)", "agent.lr": 1e-3, "agent.target_return": -150.0},
        "a short task: a faster start",
    ),
)
