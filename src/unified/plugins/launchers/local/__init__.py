"""In this process."""

from __future__ import annotations

from unified.core.components.descriptors import LauncherComponent

component = LauncherComponent(name="local", target="unified.plugins.launchers.local.launcher:Local", summary="in this process")
