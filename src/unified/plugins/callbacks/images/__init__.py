"""Pictures of an evaluation: what was generated, or what was answered."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="images",
    target="unified.plugins.callbacks.images.callback:Images",
    config="unified.plugins.callbacks.images.config:ImagesOptions",
    summary="a grid of generated, or of answered, pictures of an evaluation",
)
