"""The learning curve as a picture, drawn anew after each evaluation and at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unified.core.components.hookspecs import hookimpl
from unified.core.components.import_paths import label


class Curve:
    """Writes ``curve.png``: evaluation return with its spread over episodes, training returns faint behind.

    Args:
        options: See `config.py`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options

    def draw(self, run: Any, trainer: Any) -> None:
        """Draw what ``metrics.jsonl`` holds."""
        from unified import plotting

        config = run.config
        task = f"{label(config.suite.name)}:{config.suite.task}" if config.suite.task else label(config.suite.name)
        subtitle = f"{label(config.agent.name)} · seed {config.seed} · experiment {config.experiment}"
        figure = plotting.run_figure(run.metrics(), task, subtitle, trainer.clock.budget_frames)
        plotting.save(figure, Path(run.path) / "curve.png")

    @hookimpl
    def on_evaluation_end(self, run: Any, trainer: Any) -> None:
        self.draw(run, trainer)

    @hookimpl
    def teardown(self, run: Any, trainer: Any) -> None:
        if run.metrics():
            self.draw(run, trainer)
