"""A callback that records when evaluations reached given returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from unified import hookimpl


class Milestones:
    """Writes ``milestones.json``: for each level, the frames after which an evaluation return first reached it.

    Args:
        options: An instance of `MilestonesOptions`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options
        self.reached: dict[str, int] = {}

    @hookimpl
    def on_evaluation_end(self, run: Any, row: Mapping[str, Any]) -> None:
        for level in self.options.levels:
            if row["return"] >= level:
                self.reached.setdefault(f"{level:g}", row["frames"])
        (run.path / "milestones.json").write_text(json.dumps(self.reached, indent=2) + "\n")

    @hookimpl
    def checkpoint_save(self) -> dict[str, Any]:
        return {"reached": dict(self.reached)}

    @hookimpl
    def checkpoint_load(self, state: Mapping[str, Any]) -> None:
        self.reached = dict(state["reached"])
