"""Descriptor of the launcher local."""

from __future__ import annotations

from unified.core.components.descriptors import LauncherComponent

component = LauncherComponent(name="local", target="unified.plugins.launchers.local.launcher:Local", summary="train in this process")
