"""Start or resume a run through the launcher of its configuration. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.errors import UsageError
from unified.core.runs.run import Run

if TYPE_CHECKING:
    from unified.core.config.config import Config


def start(config: Config, run: Run | None = None) -> Run:
    """Train a run from the start or from its newest checkpoint, where its launcher executes it.

    Args:
        config: Configuration of the run.
        run: The run; by default the one of the configuration.

    Raises:
        UsageError: If the run cannot start.
        Stopped: After a signal; everything is saved.
    """
    run = run or Run.create_or_open(config)  # checks before torch is imported
    try:
        trained: Run = config.launcher.component.load()(config.launcher.options).launch(config, run)
    except UsageError:
        run.forget_draft()
        raise
    return trained
