"""Transformers."""

from __future__ import annotations

from unified.core.components.descriptors import ArchitectureComponent

component = ArchitectureComponent(
    name="transformer",
    target="unified.plugins.architectures.transformer.network:Transformer",
    summary="attention over the places of a feature map, or over a sequence",
    example="encoder=[cnn,transformer]",
)
