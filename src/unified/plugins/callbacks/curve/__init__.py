"""Curve.png: returns over frames."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="curve",
    target="unified.plugins.callbacks.curve.callback:Curve",
    summary="curve.png: returns over frames",
)
