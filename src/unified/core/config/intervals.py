"""How often a run logs, evaluates and saves, where that is left open. Torch-free.

In environments the defaults are numbers of frames (`schema`). Where no environment is stepped a frame is a row of a batch, so that the same
numbers would mean a few updates: there the defaults are ``null`` and follow the batch and the data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.config.layers import Layer, from_tree
from unified.core.config.schema import Evaluate, Train

if TYPE_CHECKING:
    from unified.core.config.config import Config

#: Updates between two rows of metrics.
LOG_UPDATES = 50
#: Updates between two evaluations, and two checkpoints, of a run that learns from a replay alone.
REPLAY_UPDATES = 5_000
#: Updates of such a run whose budget nobody set.
OFFLINE_UPDATES = 100_000


def open_intervals(seldom: str) -> list[Layer]:
    """Layers that leave the intervals open, for `intervals` to fill in; their sources are for people.

    Args:
        seldom: What then lies between two evaluations, and two checkpoints.
    """
    often = from_tree({"train": {"log_every": None}}, f"auto where batches are read: {LOG_UPDATES} updates")
    return [often, from_tree({"evaluate": {"every": None}, "checkpoint": {"every": None}}, f"auto where batches are read: {seldom}")]


def intervals(config: Config, batch_size: int | None = None, rows: int | None = None) -> dict[str, int]:
    """Frames between two rows of metrics, two evaluations and two checkpoints: ``log``, ``evaluate`` and ``checkpoint``; 0 for never.

    Args:
        config: Of the run.
        batch_size: Frames of an update, where no environment is stepped.
        rows: Of the data set that is trained on.
    """
    asked = {"log": config.train.log_every, "evaluate": config.evaluate.every, "checkpoint": config.checkpoint.every}
    auto = {"log": Train().log_every, "evaluate": Evaluate().every, "checkpoint": Evaluate().every}
    if batch_size is not None:
        log = LOG_UPDATES * batch_size
        # An epoch of a small table takes no time: then an evaluation would take longer than what it judges.
        seldom = REPLAY_UPDATES * batch_size if rows is None else max(rows, log)
        auto = {"log": log, "evaluate": seldom, "checkpoint": seldom}
    return {name: (auto[name] if every is None else every) or 0 for name, every in asked.items()}
