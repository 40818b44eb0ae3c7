"""Vision transformer."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="vit",
    target="unified.plugins.architectures.vit.network:ViT",
    summary="vision transformer, small pictures included",
)
