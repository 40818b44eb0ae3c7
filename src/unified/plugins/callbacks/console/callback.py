"""Progress of a run: a live display on a terminal, else one line per log interval."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console as Screen
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unified import terminal, units
from unified.core.base.errors import UsageError
from unified.core.components.hookspecs import Callback
from unified.plugins.callbacks.console import screens

if TYPE_CHECKING:
    from unified.core.runs.run import Run
    from unified.core.trainer.eval_result import EvalResult
    from unified.core.trainer.trainer import Trainer


class Console(Callback):
    """Prints progress, results and warnings in the terminal.

    Args:
        options: The options of `config.py`.
        screen: The console; standard output by default.
    """

    def __init__(self, options: Any, screen: Screen | None = None) -> None:
        self.options, self.screen = options, screen or terminal.screen(file=terminal.Output())
        self.live: Live | None = None
        self.row: Mapping[str, Any] = {}
        self.speed: Mapping[str, Any] = {}
        self.evaluation: dict[str, Any] | None = None
        self.best: float | None = None
        self.doing = ""
        self.read = 0  # offset in events.jsonl after the last warning that was printed
        self.logged = self.evaluated = time.monotonic()

    # -- the life of a run

    def setup(self, run: Run, trainer: Trainer) -> None:
        self.trainer = trainer
        for line in screens.first(run, trainer):
            self._print(line)
        self._warnings(run, since_start=True)
        self._print(Text(""))
        if self.screen.is_terminal and not self.screen.is_dumb_terminal and not self.options.plain:
            self.live = Live(get_renderable=self.render, console=self.screen, refresh_per_second=4)
            self.live.start()

    def on_log(self, run: Run, trainer: Trainer, row: Mapping[str, Any], speed: Mapping[str, Any]) -> None:
        # Not every interval has a finished episode: the last return stays on the display.
        self.row = {**self.row, **row}
        self.speed, self.logged, self.best = speed, time.monotonic(), trainer.best_score
        self._warnings(run)
        if self.live is None:
            self._print(Text(" · ".join(self._plain())))

    def before_evaluation(self, run: Run, trainer: Trainer) -> None:
        self.doing = "evaluating …"
        if self.live is None and self.evaluation is None:  # the first one comes before the first step and takes some time
            self._print(Text("evaluating …"))

    def on_evaluation_end(self, run: Run, trainer: Trainer, row: Mapping[str, Any], episodes: Any, result: EvalResult) -> None:
        self.doing, self.evaluation, self.evaluated, self.best = "", dict(row), time.monotonic(), trainer.best_score
        if self.live is None:
            of = ""
            if episodes:
                of = f" ({len(episodes)} episodes, {units.value(row.get('return_min'))} to {units.value(row.get('return_max'))})"
            self._print(Text(f"evaluation at {units.count(row['frames'])} frames: {units.result(row)}{of}"))

    def teardown(self, run: Run, trainer: Trainer, error: BaseException | None) -> None:
        elapsed = self._elapsed()
        if self.live is not None:
            self.doing = ""
            self.live.stop()
            self.live = None
            self._print(Text(""))
        self._warnings(run)
        if isinstance(error, UsageError):  # refused: there is no run to resume
            return
        for line in screens.last(run, trainer, error, self.evaluation, elapsed):
            self._print(line)

    # -- layout

    def render(self) -> Group:
        """The live display. Its thread calls this, so it only reads."""
        lines = [self._progress(), self._returns(), self._speed(), self._stored()]
        return Group(*(line for line in lines if line is not None))

    def _progress(self) -> Table:
        part, amount = self._budget()
        times = f"{units.duration(self._elapsed())} elapsed"
        if (left := self._left()) is not None:
            times += f" · {units.duration(left)} left"
        words = Text.assemble((amount, "bold"), "   ", (times, "dim"))
        if self.doing:
            words.append(f"   {self.doing}", style="yellow")
        width = max(8, min(40, self.screen.width - words.cell_len - 4))
        bar = ProgressBar(
            total=1.0, completed=min(1.0, part or 0.0), width=width, pulse=part is None, complete_style="cyan", finished_style="green"
        )
        grid = Table.grid(padding=(0, 2))
        grid.add_row(Text(""), bar, words)
        return grid

    def _returns(self) -> Text | None:
        parts: list[Text] = []
        if "return" in self.row:
            parts.append(
                Text.assemble("train ", (units.spread(self.row["return"], self.row.get("return_sd")), "bold"), units.success(self.row))
            )
        if self.evaluation:
            when = units.duration(time.monotonic() - self.evaluated)
            of = f"{self.evaluation['episodes']} episodes, {when} ago" if "episodes" in self.evaluation else f"{when} ago"
            name, value, sd = units.scored(self.evaluation)
            what = "eval " if name == "return" else f"{name} "
            parts.append(Text.assemble(what, (units.spread(value, sd), "bold green"), units.success(self.evaluation), (f" ({of})", "dim")))
        if self.best is not None:
            parts.append(Text.assemble("best ", (units.value(self.best), "bold")))
        return self._line("score" if self.evaluation and "metric" in self.evaluation else "return", parts, "   ")

    def _speed(self) -> Text | None:
        return self._line("speed", [Text(part) for part in self._pace()])

    def _stored(self) -> Text | None:
        parts = []
        if "episodes" in self.row:
            parts.append(Text(units.count(self.row["episodes"])))
        if self.speed.get("replay_steps") is not None:
            parts.append(Text(f"replay {units.count(self.speed['replay_steps'])} steps, {units.size(self.speed.get('replay_bytes'))}"))
        if (age := self.speed.get("checkpoint_age_s")) is not None:
            parts.append(Text(f"checkpoint {units.ago(age + time.monotonic() - self.logged)}"))
        return self._line("episodes", parts)

    @staticmethod
    def _line(label: str, parts: Sequence[Text], between: str = " · ") -> Text | None:
        if not parts:
            return None
        return Text.assemble((f" {label:<8} ", "dim"), Text(between).join(parts))

    def _pace(self) -> list[str]:
        if not self.speed:
            return []
        parts = [f"{units.value(self.speed['frames_per_s'])} frames/s"]
        if self.trainer.clock.updates:
            parts.append(f"{units.value(self.speed['updates_per_s'])} updates/s")
        else:
            parts.append("random actions, no updates yet")
        fractions = self.speed.get("share") or {}
        return parts + ([units.share(fractions)] if fractions else [])

    def _plain(self) -> list[str]:
        """The line of a log interval."""
        parts = [self._budget()[1], units.duration(self._elapsed())]
        if (left := self._left()) is not None:
            parts.append(f"{units.duration(left)} left")
        if "return" in self.row:
            parts.append(f"return {units.spread(self.row['return'], self.row.get('return_sd'))}{units.success(self.row)}")
        if self.evaluation:
            name, value, sd = units.scored(self.evaluation)
            parts.append(f"{'eval' if name == 'return' else name} {units.spread(value, sd)}{units.success(self.evaluation)}")
        return parts + self._pace()

    def _budget(self) -> tuple[float | None, str]:
        """The used fraction of the budget that ends the run first, and its text."""
        clock = self.trainer.clock
        budgets = [(clock.frames, clock.budget_frames, "frames"), (clock.updates, clock.budget_updates, "updates")]
        spent = [(done / budget, f"{units.count(done)} / {units.count(budget)} {unit}") for done, budget, unit in budgets if budget]
        if hours := clock.budget_hours:
            spent.append(
                (self._elapsed() / 3600 / hours, f"{units.count(clock.frames)} frames in {self._elapsed() / 3600:.2f} / {hours:g} h")
            )
        return max(spent) if spent else (None, f"{units.count(clock.frames)} frames")

    def _elapsed(self) -> float:
        """Seconds of training, including earlier sessions."""
        return float(self.trainer.clock.elapsed)

    def _left(self) -> float | None:
        left = self.speed.get("left_s")
        return None if left is None else max(0.0, float(left) - (time.monotonic() - self.logged))

    def _warnings(self, run: Any, since_start: bool = False) -> None:
        """Print the warnings written to ``events.jsonl`` since the last call; incomplete lines are left for the next call.

        With `since_start` warnings of earlier processes are skipped; a process begins with the event ``start`` or ``resume``.
        """
        path = Path(run.path) / "events.jsonl"
        if not path.exists() or path.stat().st_size <= self.read:
            return
        with path.open("rb") as file:
            file.seek(self.read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.read += len(whole + newline)
        messages: list[str] = []
        known = not since_start
        for line in whole.splitlines():
            event = json.loads(line)
            if event.get("event") in ("start", "resume"):
                known, messages = True, []
            elif event.get("event") == "warning" and known:
                messages.append(str(event.get("message", "")))
        for message in messages:
            self._print(Text.assemble(("warning", "bold yellow"), f"  {message}"))

    def _print(self, text: Text) -> None:
        # Soft wrapping keeps long paths in one piece.
        self.screen.print(text, soft_wrap=True)
