"""The first and the last lines of a run, for terminals and log files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.text import Text

from unified import units
from unified.core.components.import_paths import label


def shown(path: str | os.PathLike[str]) -> str:
    """A path, relative if it is below the working directory."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def literal(value: Any) -> str:
    """A value in the syntax of the command line."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(literal(item) for item in value) + "]"
    return str(value)


def _line(label: str, *parts: Text | str) -> Text:
    line = Text.assemble((f"{label:<8}", "dim"))
    for part in parts:
        line.append_text(part if isinstance(part, Text) else Text(part))
    return line


def _changes(config: Any) -> list[tuple[str, list[str]]]:
    """Values that differ from the defaults, by source, except those in the first line."""
    said = {"agent", "suite", "suite.task", "objective"}
    grouped: dict[str, list[str]] = {}
    for key, value, source in config.changed():
        if key not in said:
            grouped.setdefault(source, []).append(f"{key}={literal(value)}")
    return list(grouped.items())


def title(config: Any) -> Text:
    """``unified 0.1 · agent drqv2 · suite dmc:cartpole_balance · …``"""
    from unified.version import __version__

    name = label(config.suite.name)
    suite = f"{name}:{config.suite.task}" if config.suite.task else name
    text = Text.assemble(
        ("unified", "bold"), f" {__version__}", " · agent ", (label(config.agent.name), "bold cyan"), " · suite ", (suite, "bold cyan")
    )
    if config.objectives:
        text.append(f" · objective {', '.join(_short(objective.name) for objective in config.objectives)}")
    if recipes := list(getattr(config, "recipes", ()) or ()):
        text.append(f" · recipe {', '.join(str(recipe) for recipe in recipes)}")
    if getattr(config, "embedded", False):
        text.append(" (no agent or suite named: this is the default)", style="dim")
    return text.append(f" · seed {config.seed}")


def _short(objective: str) -> str:
    return f"+{label(objective[1:])}" if objective.startswith("+") else label(objective)


def first(run: Any, trainer: Any) -> list[Text]:
    """Name, directory, hardware, and the values that differ from the defaults with their sources."""
    config = run.config
    lines = [title(config)]
    lines.append(_line("run", Text(shown(run.path), "bold"), Text("     resume with: ", "dim"), f"unified resume {run.lasting_name}"))
    if trainer.clock.frames:
        lines.append(
            _line("resumed", f"at {units.count(trainer.clock.frames)} frames, {units.duration(trainer.clock.elapsed)} of training")
        )
    lines += [_line("" if index else "notes", note) for index, note in enumerate(getattr(trainer, "notes", ()))]
    for index, (source, changes) in enumerate(_changes(config)):
        words = Text(" ".join(changes)).append(f"  ({source})", style="dim")
        lines.append(_line("" if index else "changed", words))
    return lines


def last(run: Any, trainer: Any, error: BaseException | None, evaluation: dict[str, Any] | None, elapsed: float | None) -> list[Text]:
    """Result, files and next commands."""
    frames = trainer.clock.frames
    at = f"{units.count(frames)} frames in {units.duration(elapsed)}"
    result = Text("")
    if evaluation:
        name, value, sd = units.scored(evaluation)
        result = Text.assemble(f"eval {name} ", (units.spread(value, sd), "bold"), units.success(evaluation))
        if evaluation["frames"] != frames:
            result.append(f" (of {units.count(evaluation['frames'])} frames)")
        result.append(" at ")
    if error is None:
        lines = [Text.assemble(("finished", "bold green"), ": ", result, at)]
    elif getattr(error, "exit_code", None) in (130, 143) or isinstance(error, KeyboardInterrupt):
        lines = [
            Text.assemble(
                ("stopped", "bold yellow"), ": ", result, at, "; everything is saved, resume with: ", f"unified resume {run.lasting_name}"
            )
        ]
    else:
        lines = [
            Text.assemble(("failed with an error", "bold red"), ": ", result, at, "; resume with: ", f"unified resume {run.lasting_name}")
        ]
    places = []
    if (curve := Path(run.path) / "curve.png").exists():
        places.append(("curve", curve))
    if videos := sorted((Path(run.path) / "videos").glob("eval-*.mp4")):
        places.append(("video", videos[-1]))
    lines += [Text.assemble((f"  {name:<7}", "dim"), shown(path)) for name, path in places]
    if error is None:
        lines.append(Text.assemble(("  again  ", "dim"), f"unified train -r {shown(Path(run.path) / 'config.json')}"))
    return lines
