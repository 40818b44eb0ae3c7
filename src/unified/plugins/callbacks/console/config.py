"""Options of the callback console. Torch-free."""

from __future__ import annotations

from unified.core.components.options import Options


class ConsoleOptions(Options):
    """How a run is shown."""

    plain: bool = False
    """One plain line for each log interval on a terminal too."""
