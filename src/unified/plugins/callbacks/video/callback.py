"""A video of the first episode of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unified.core.base.errors import UnifiedError
from unified.core.components.hookspecs import hookimpl
from unified.video import write_mp4


class Video:
    """Writes ``videos/eval-<frames>.mp4``.

    Args:
        options: The options of `config.py`: interval in evaluations (0: the last one only), size in pixels, frames per second.
    """

    def __init__(self, options: Any) -> None:
        self.options, self.evaluations, self.asked = options, 0, False

    def _due(self, trainer: Any) -> bool:
        every = self.options.every
        return bool(trainer.clock.done) or (every > 0 and (self.evaluations + 1) % every == 0)

    @hookimpl
    def before_evaluation(self, trainer: Any) -> None:
        self.asked = self._due(trainer)
        if self.asked:
            trainer.evaluator.record = (self.options.height, self.options.width)

    @hookimpl
    def on_evaluation_end(self, run: Any, row: Mapping[str, Any], episodes: Sequence[Any]) -> None:
        self.evaluations += 1
        frames = episodes[0].pictures if episodes else None
        if self.asked and frames:  # the task cannot be rendered
            try:
                write_mp4(Path(run.path) / "videos" / f"eval-{row['frames']:09d}.mp4", frames, self.options.fps)
            except UnifiedError as error:  # reported as a failure of this callback, which does not end the run
                raise RuntimeError(str(error)) from error

    @hookimpl
    def checkpoint_save(self) -> dict[str, Any]:
        return {"evaluations": self.evaluations}

    @hookimpl
    def checkpoint_load(self, state: Mapping[str, Any]) -> None:
        self.evaluations = int(state["evaluations"])
