"""Residual networks."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

components = (
    ArchitectureComponent(
        name="resnet18",
        target="unified.plugins.architectures.resnet.network:resnet18",
        answers={
            **dict.fromkeys(("convnext", "efficientnet", "resnet34", "resnet101"), "encoder=torchvision.models:NAME   e.g. convnext_tiny"),
            "timm": "encoder=timm.models:create_model encoder.model_name=…",
        },
        summary="residual network of 18 layers, small pictures included",
    ),
    ArchitectureComponent(
        name="resnet50",
        target="unified.plugins.architectures.resnet.network:resnet50",
        summary="residual network of 50 layers, small pictures included",
    ),
)
