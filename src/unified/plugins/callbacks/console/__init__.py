"""Descriptor of the callback console."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="console",
    target="unified.plugins.callbacks.console.callback:Console",
    config="unified.plugins.callbacks.console.config:ConsoleOptions",
    summary="progress, results and warnings in the terminal",
)
