"""A callback that records when evaluations reached given returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from unified import Callback


class Milestones(Callback):
    """Writes ``milestones.json``: for each level, the frames after which an evaluation return first reached it.

    Args:
        options: An instance of `MilestonesOptions`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options
        self.reached: dict[str, int] = {}

    def on_evaluation_end(self, run: Any, trainer: Any, row: Mapping[str, Any], episodes: Any, result: Any) -> None:
        for level in self.options.levels:
            if row["return"] >= level:
                self.reached.setdefault(f"{level:g}", row["frames"])
        (run.path / "milestones.json").write_text(json.dumps(self.reached, indent=2) + "\n")

    def checkpoint_save(self, run: Any, trainer: Any) -> dict[str, Any]:
        return {"reached": dict(self.reached)}

    def checkpoint_load(self, run: Any, trainer: Any, state: dict[str, Any]) -> None:
        self.reached = dict(state["reached"])
