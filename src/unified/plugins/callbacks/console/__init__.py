"""What runs, how it goes and how it ended."""

from __future__ import annotations

from unified.core.components.descriptors import CallbackComponent

component = CallbackComponent(
    name="console",
    target="unified.plugins.callbacks.console.callback:Console",
    config="unified.plugins.callbacks.console.config:ConsoleOptions",
    summary="what runs, how it goes and how it ended",
)
