"""Multi-layer perceptrons."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="mlp",
    target="unified.plugins.architectures.mlp.network:MLP",
    summary="linear layers with ReLU between them",
    example="encoder=mlp --suite gym:Pendulum-v1",
)
