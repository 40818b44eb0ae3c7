"""Descriptor of the callback video."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="video",
    target="unified.plugins.callbacks.video.callback:Video",
    config="unified.plugins.callbacks.video.config:VideoOptions",
    summary="video of the first episode of an evaluation",
)
