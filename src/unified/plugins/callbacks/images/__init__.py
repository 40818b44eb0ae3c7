"""Descriptor of the callback images."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="images",
    target="unified.plugins.callbacks.images.callback:Images",
    config="unified.plugins.callbacks.images.config:ImagesOptions",
    summary="grid of generated images, or of predictions, of an evaluation",
)
