"""Descriptor of the callback curve."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="curve",
    target="unified.plugins.callbacks.curve.callback:Curve",
    summary="learning curve in curve.png",
)
