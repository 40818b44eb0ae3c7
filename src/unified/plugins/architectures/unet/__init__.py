"""A small U-Net."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="unet",
    places=("generator",),
    target="unified.plugins.architectures.unet.network:UNet",
    summary="pictures to pictures at a time, for flow matching",
    example="--suite digits -o flow generator=unet",
)
