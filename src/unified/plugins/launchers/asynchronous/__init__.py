"""Asynchronous collection in this process."""

from __future__ import annotations

from unified.core.components.descriptors import LauncherComponent

component = LauncherComponent(
    name="async",
    target="unified.plugins.launchers.asynchronous.launcher:Async",
    config="unified.plugins.launchers.asynchronous.config:AsyncOptions",
    summary="in this process; threads act with weights a few updates old while updates run (not reproducible)",
)
