"""A launcher that trains in this process and keeps a logbook."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified import Config, Run


class Logbook:
    """Writes a line with the time when a run starts and when it ends.

    Args:
        options: An instance of `LogbookOptions`.
    """

    def __init__(self, options: Any) -> None:
        self.options = options

    def launch(self, config: Config, run: Run) -> Run:
        """Train the run to the end; log an exception and raise it again."""
        from unified import launch

        self._write(config, "starts")
        try:
            launch(config, run)
        except BaseException as error:
            self._write(config, f"ends with {type(error).__name__}: {error}")
            raise
        self._write(config, "is finished")
        return run

    def _write(self, config: Config, what: str) -> None:
        path = Path(config.root) / self.options.file
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{config.experiment} · {config.agent.name} · {config.suite.text} · seed {config.seed}"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {name}  {what}\n")
