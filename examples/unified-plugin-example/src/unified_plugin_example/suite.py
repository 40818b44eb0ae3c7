"""The suite `harbour`."""

from __future__ import annotations

from unified import Environment, Suite


class Harbour(Suite):
    """``harbour:reach`` rewards staying near a buoy, ``harbour:dock`` coming to rest there."""

    placement = "inline"  # a step takes microseconds, less than a message to another process

    def environment(self) -> Environment:
        """A new environment, built in the process that steps it."""
        from unified_plugin_example.environment import HarbourEnvironment

        return HarbourEnvironment(self.task, self.options)
