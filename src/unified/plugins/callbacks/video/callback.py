"""A video of the first episode of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import UnifiedError
from unified.core.components.hookspecs import Callback
from unified.video import write_mp4

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.trainer import Trainer


class Video(Callback):
    """Writes ``videos/eval-<frames>.mp4``.

    Args:
        options: The options of `config.py`: interval in evaluations (0: the last one only), size in pixels, frames per second.
    """

    def __init__(self, options: Any) -> None:
        self.options, self.evaluations, self.asked = options, 0, False

    def _due(self, trainer: Any) -> bool:
        every = self.options.every
        return bool(trainer.clock.done) or (every > 0 and (self.evaluations + 1) % every == 0)

    def before_evaluation(self, run: Run, trainer: Trainer) -> None:
        self.asked = self._due(trainer)
        if self.asked:
            trainer.evaluator.record = (self.options.height, self.options.width)

    def on_evaluation_end(self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Any, result: EvalResult) -> None:
        self.evaluations += 1
        frames = episodes[0].pictures if episodes else None
        if self.asked and frames:  # the task cannot be rendered
            try:
                write_mp4(Path(run.path) / "videos" / f"eval-{row['frames']:09d}.mp4", frames, self.options.fps)
            except UnifiedError as error:  # reported as a failure of this callback, which does not end the run
                raise RuntimeError(str(error)) from error

    def checkpoint_save(self, run: Run, trainer: Trainer) -> dict[str, Any]:
        return {"evaluations": self.evaluations}

    def checkpoint_load(self, run: Run, trainer: Trainer, state: dict[str, Any]) -> None:
        self.evaluations = int(state["evaluations"])
