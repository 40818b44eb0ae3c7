"""Architectures: one file for each family."""

from __future__ import annotations

from unified.core.components import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="drqv2_cnn",
        target="unified.plugins.architectures.cnn:DrQV2CNN",
        config="unified.plugins.architectures.config:CNNOptions",
        summary="four 3×3 convolutions, the encoder of DrQ-v2",
    ),
    ArchitectureComponent(
        name="mlp",
        target="unified.plugins.architectures.mlp:MLP",
        config="unified.plugins.architectures.config:MLPOptions",
        summary="linear layers with ReLU between them",
        example="encoder=mlp --suite gym:Pendulum-v1",
    ),
    ArchitectureComponent(
        name="identity",
        target="torch.nn:Identity",
        summary="what comes in goes out",
        example="encoder=identity --suite gym:Pendulum-v1",
    ),
)
