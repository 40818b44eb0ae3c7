"""The harbour, as a family of tasks."""

from __future__ import annotations

from unified import Environment, Suite


class Harbour(Suite):
    """``harbour:reach`` is judged by how near the boat stays to a buoy, ``harbour:dock`` by getting to rest there."""

    placement = "inline"  # a step takes microseconds: a process of its own would only wait for messages

    def environment(self) -> Environment:
        """A new harbour, built in the calling process."""
        from unified_plugin_example.environment import HarbourEnvironment

        return HarbourEnvironment(self.task, self.options)
