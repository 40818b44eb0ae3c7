"""The launcher that trains in the calling process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.core.config.config import Config
    from unified.core.runs.run import Run


class Local:
    """Train in this process to the end of the budget."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def launch(self, config: Config, run: Run) -> Run:
        from unified.core.trainer.build import launch

        return launch(config, run)
