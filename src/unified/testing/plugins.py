"""Entry points for tests: plugins as if they were installed. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

from unified.core.registry import CORE, GROUP, EntryPoint


@dataclass(frozen=True)
class Distribution:
    """A package that is not installed."""

    name: str
    version: str = "0"


@dataclass(frozen=True)
class MadeEntryPoint:
    """An entry point with a given plugin."""

    name: str
    plugin: Any
    value: str = "made.by.hand"

    @property
    def dist(self) -> Any:
        return Distribution(f"unified-plugin-{self.name}")

    def load(self) -> Any:
        """Return the plugin; an exception is raised, like a failing import."""
        if isinstance(self.plugin, BaseException):
            raise self.plugin
        return self.plugin


def entry_points(*plugins: Any, core: bool = True, **named: Any) -> list[EntryPoint]:
    """Entry points for plugins: modules, or objects with hook implementations, by their own names or by keyword."""
    made: list[EntryPoint] = list(metadata.entry_points(group=GROUP, name=CORE)) if core else []
    given = {str(getattr(plugin, "__name__", type(plugin).__name__)).rpartition(".")[2]: plugin for plugin in plugins}
    return [*made, *(MadeEntryPoint(name, plugin) for name, plugin in {**given, **named}.items())]
