"""Residual networks."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="resnet18",
        target="unified.plugins.architectures.resnet.network:resnet18",
        summary="residual network of 18 layers, small pictures included",
    ),
    ArchitectureComponent(
        name="resnet50",
        target="unified.plugins.architectures.resnet.network:resnet50",
        summary="residual network of 50 layers, small pictures included",
    ),
)
