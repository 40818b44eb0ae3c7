"""The learning curve, plotted after each evaluation and at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.components.hookspecs import Callback
from unified.core.components.import_paths import label

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.trainer import Trainer


class Curve(Callback):
    """Writes ``curve.png``: evaluation return with its spread over episodes, and training returns in the background.

    Args:
        options: The options of `config.py`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options

    def draw(self, run: Any, trainer: Any) -> None:
        """Plot ``metrics.jsonl``."""
        from unified import plotting

        config = run.config
        task = f"{label(config.suite.name)}:{config.suite.task}" if config.suite.task else label(config.suite.name)
        subtitle = f"{label(config.agent.name)} · seed {config.seed} · experiment {config.experiment}"
        figure = plotting.run_figure(run.metrics(), task, subtitle, trainer.clock.budget_frames)
        plotting.save(figure, Path(run.path) / "curve.png")

    def on_evaluation_end(self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Any, result: EvalResult) -> None:
        self.draw(run, trainer)

    def teardown(self, run: Run, trainer: Trainer, error: BaseException | None) -> None:
        if run.metrics():
            self.draw(run, trainer)
