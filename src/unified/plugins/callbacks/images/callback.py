"""A grid of images of an evaluation: generated ones, or test images with predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.components.hookspecs import Callback

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.trainer import Trainer


class Images(Callback):
    """Writes ``images/eval-<frames>.png``, or ``eval-<updates>.png`` for runs without environments.

    Args:
        options: The options of `config.py`: interval in evaluations (0: the last one only), number, columns and size of images.
    """

    def __init__(self, options: Any) -> None:
        self.options, self.evaluations = options, 0

    def _due(self, trainer: Any) -> bool:
        every = self.options.every
        return bool(trainer.clock.done) or (every > 0 and self.evaluations % every == 0)

    def on_evaluation_end(self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Any, result: EvalResult) -> None:
        self.evaluations += 1
        if result.pictures is None or not len(result.pictures) or not self._due(trainer):
            return
        from unified import plotting
        from unified.grid import enlarged, figure

        columns = result.columns or self.options.columns
        pictures = enlarged(result.pictures[: self.options.count], self.options.size)
        captions = result.captions[: self.options.count] if result.captions else None
        at = row["frames"] or row["updates"]
        plotting.save(figure(pictures, captions, columns), Path(run.path) / "images" / f"eval-{at:09d}.png")

    def checkpoint_save(self, run: Run, trainer: Trainer) -> dict[str, Any]:
        return {"evaluations": self.evaluations}

    def checkpoint_load(self, run: Run, trainer: Trainer, state: dict[str, Any]) -> None:
        self.evaluations = int(state["evaluations"])
