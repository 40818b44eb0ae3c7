"""Options of the callback console. Torch-free."""

from __future__ import annotations

from unified.core.components.options import Options


class ConsoleOptions(Options):
    """Options of the console."""

    plain: bool = False
    """Print one line per log interval on a terminal too."""
