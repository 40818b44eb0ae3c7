"""Hyper-parameters of AC2. Torch-free."""

from __future__ import annotations

from pydantic import Field

from unified import Part, Preset
from unified.agents import ActorOptions, OffPolicyOptions, OptimizerName, OptimizerOptions, TwinCriticOptions


class AC2OptimizerOptions(OptimizerOptions):
    """How parameters are moved along their gradients."""

    name: OptimizerName = "adamw"
    """Optimiser, or a class by reference: package.module:Class, ./file.py:Class."""


class AC2Options(OffPolicyOptions):
    """Settings that do well on most tasks; what only counts for control says so."""

    optimizer: AC2OptimizerOptions = AC2OptimizerOptions()
    """How parameters are moved along their gradients."""
    max_grad_norm: float | None = Field(None, gt=0)
    """Greatest norm of a gradient; null: as it is."""
    encoder: Part | None = None
    """Architecture of the encoder; by default cnn for pictures and identity for vectors."""
    actor: ActorOptions = ActorOptions()
    """The policy; by default of choices where the task has some, deterministic for targets, and truncated_normal for control."""
    critic: TwinCriticOptions = TwinCriticOptions()
    """The critic, where something is learned by reward."""
    n_step: int = Field(3, ge=1)
    """Steps of a return before the bootstrap (control)."""
    tau: float = Field(0.01, gt=0, le=1)
    """Rate at which the target critic follows."""
    updates_per_step: float = Field(0.5, ge=0)
    """Updates for each agent step (control)."""
    explore: float = Field(0.1, ge=0, le=1)
    """Share of answers that are random where choices are learned by reward."""
    feature_dim: int = Field(50, ge=1)
    """Features that actor and critic see of pixels, behind a bottleneck each (control)."""
    trunk: int | None = Field(None, ge=1)
    """Width of a layer between the encoder and the heads, which several suites can share; null for none."""
    shared: list[str] = []
    """Parts that the tasks of several suites have in common: [trunk]."""
    game_betas: tuple[float, float] = (0.5, 0.999)
    """Betas of the optimiser where a critic judges what is generated and agent.optimizer.betas is null (Radford et al. 2016)."""
    noise_dim: int = Field(32, ge=1)
    """Numbers of the noise that something is made from (generation)."""
    generator: Part | None = None
    """Architecture that makes something from noise, or of a flow's velocity; by default an mlp, and for larger pictures dcgan or unet."""
    discriminator: Part | None = None
    """Architecture through which the critic sees what was made; by default as it is, and for larger pictures dcgan_discriminator."""


PRESETS = (
    Preset("data", "digits iris wine breast_cancer diabetes", {"evaluate.every": 50_000, "checkpoint.every": 0}, "an epoch takes no time"),
    Preset("several", "several", {"agent.trunk": 256, "agent.shared": ["trunk"]}, "tasks learn from one another through the trunk"),
    Preset("small", "digits", {"train.epochs": 200, "agent.lr": 1e-3}, "measured"),
)
