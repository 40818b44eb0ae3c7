"""All metrics of a run for TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import Problem, UsageError
from unified.core.components.hookspecs import Callback

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.trainer import Trainer

COUNTERS = ("kind", "frames", "steps", "updates")


def _writer(directory: Path, purge: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            Problem("callback 'tensorboard' needs the package tensorboard", "pip install 'unified-ml[tensorboard]'", "callbacks=")
        ) from error
    return SummaryWriter(str(directory), purge_step=purge)


class TensorBoard(Callback):
    """Writes ``tensorboard/`` in the directory of the run; view it with ``tensorboard --logdir runs``.

    Args:
        options: The options of `config.py`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options
        self.writer: Any = None

    def setup(self, run: Run, trainer: Trainer) -> None:
        # purge_step hides the events that an interrupted process wrote after its last checkpoint
        frames = trainer.clock.frames
        self.writer = _writer(Path(run.path) / "tensorboard", frames + 1 if frames else None)

    def scalars(self, group: str, values: Mapping[str, Any], frames: int) -> None:
        """Write every finite number of `values` under `group`, at `frames`."""
        for name, number in values.items():
            if isinstance(number, Mapping):
                self.scalars(f"{group}/{name}", number, frames)
            elif isinstance(number, int | float) and name not in COUNTERS and math.isfinite(number):
                self.writer.add_scalar(f"{group}/{name}", number, frames)

    def on_log(self, run: Run, trainer: Trainer, row: Mapping[str, Any], speed: Mapping[str, Any]) -> None:
        self.scalars("train", row, row["frames"])
        self.scalars("speed", speed, row["frames"])

    def on_evaluation_end(self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Any, result: EvalResult) -> None:
        self.scalars("evaluate", row, row["frames"])
        self.writer.flush()

    def teardown(self, run: Run, trainer: Trainer, error: BaseException | None) -> None:
        if self.writer is not None:
            self.writer.close()
