"""The one way in which a run starts or goes on: through the launcher that its configuration names. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.errors import UsageError
from unified.core.runs.run import Run

if TYPE_CHECKING:
    from unified.core.config.config import Config


def start(config: Config, run: Run | None = None) -> Run:
    """Train what `config` says, from the start or from where the same run was left, where its launcher does that.

    Args:
        config: What to train.
        run: The run, if it is there already; else the one of this configuration.

    Raises:
        UsageError: If it cannot be, before anything was started.
        Stopped: If it was asked to stop; everything is saved.
    """
    run = run or Run.create_or_open(config)  # refuses what it has to before torch is imported
    try:
        trained: Run = config.launcher.component.load()(config.launcher.options).launch(config, run)
    except UsageError:
        run.forget_draft()
        raise
    return trained
