"""Completion of a command line: commands, options and their values. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unified.cli.completion import INSTALL, SHOW, candidates
from unified.cli.completion.candidates import Candidate, behind, fitting
from unified.cli.train import ONCE
from unified.core.components.descriptors import KINDS
from unified.core.components.filters import take_switches


@dataclass
class Line:
    """The words before the one to complete.

    Args:
        path: The command and its sub-command.
        options: The values of each option, by the name of its parameter.
        arguments: The other words.
        waiting: The option whose value comes next, if one does.
    """

    path: tuple[str, ...]
    options: dict[str, list[str]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    waiting: Any = None

    @property
    def root(self) -> Path:
        """The directory of runs."""
        return Path(self.options.get("root", ["runs"])[-1]).expanduser()


def complete(words: Sequence[str], index: int) -> list[Candidate]:
    """Candidates for one word of a command line.

    Args:
        words: The words of the line, the name of the command first.
        index: Index of the word to complete; later words are ignored.

    >>> [candidate.value for candidate in complete(["unified", "plu"], 1)]
    ['plugins']
    """
    import typer

    from unified.cli.main import app

    typed = words[index] if index < len(words) else ""
    if words[1:index][-1:] == ["-p"]:
        return candidates.plugins(typed)
    before, _ = take_switches(words[1:index], os.environ)
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    while hasattr(command, "list_commands") and (word := next((word for word in before if not word.startswith("-")), None)):
        before = before[before.index(word) + 1 :]
        command = command.get_command(None, word)
        if command is None:
            return []
        path.append(word)
    if hasattr(command, "list_commands"):
        return _options(command, typed, ()) if typed.startswith("-") else _commands(command, typed)
    return _of_command(_read(command, tuple(path), before), command, typed)


def _commands(group: Any, typed: str) -> list[Candidate]:
    from unified.cli.main import COMMANDS

    if type(group).__name__ == "Commands":  # their help needs no import
        helps = {name: COMMANDS[name].help if name in COMMANDS else "" for name in group.list_commands(None)}
    else:
        helps = {name: group.get_command(None, name).get_short_help_str(100) for name in group.list_commands(None)}
    return fitting((Candidate(name, text) for name, text in helps.items()), typed)


def _read(command: Any, path: tuple[str, ...], words: Sequence[str]) -> Line:
    """Split the words of a command into options and arguments."""
    line = Line(path)
    by_name = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts) if name.startswith("-")}
    for word in words:
        name, equals, value = word.partition("=")
        if line.waiting is not None:
            line.options.setdefault(line.waiting.name, []).append(word)
            line.waiting = None
        elif word.startswith("-") and name in by_name:
            param = by_name[name]
            if param.is_flag or equals:
                line.options.setdefault(param.name, []).append(value)
            else:
                line.waiting = param
        elif not word.startswith("-"):
            line.arguments.append(word)
    return line


def _of_command(line: Line, command: Any, typed: str) -> list[Candidate]:
    if line.waiting is not None:
        return _value(line, line.waiting, typed)
    if not typed.startswith("-"):
        return _argument(line, typed)
    name, equals, value = typed.partition("=")
    if equals:
        param = next((param for param in command.params if name in param.opts), None)
        return behind(f"{name}=", _value(line, param, value)) if param is not None else []
    return _options(command, typed, line.options)


def _options(command: Any, typed: str, given: Any) -> list[Candidate]:
    """Long names of the options that can still be given."""
    again = {param.name for param in command.params if getattr(param, "multiple", False) and param.name not in ONCE}
    left = [param for param in command.params if param.opts[0].startswith("-") and (param.name not in given or param.name in again)]
    found = [Candidate(name, param.help or "") for param in left for name in param.opts if name.startswith("--") or len(param.opts) == 1]
    if type(command).__name__ == "Commands":
        found += [Candidate(INSTALL, "Install completion for new shells."), Candidate(SHOW, "Print the completion script.")]
    return fitting([*found, Candidate("--help", "Show help.")], typed)


def _value(line: Line, param: Any, typed: str) -> list[Candidate]:
    """Values of an option."""
    by_name: dict[str, Callable[[], list[Candidate]]] = {
        "agent": lambda: candidates.names("agents", typed),
        "suite": lambda: candidates.names("suites", typed),
        "objective": lambda: _objective(typed),
        "recipe": lambda: candidates.recipes(typed),
        "checkpoint": lambda: candidates.checkpoints(typed, next(iter(line.arguments), None), line.root),
        "kind": lambda: _scaffolds(typed),
        "path": lambda: candidates.files(typed, ()),
        "root": lambda: candidates.files(typed, ()),
        "output": lambda: candidates.files(typed),
        "reference": lambda: candidates.files(typed, (".csv",)),
    }
    if param.name in by_name:
        return by_name[param.name]()
    return fitting((Candidate(item.value, item.help or "") for item in param.shell_complete(None, typed)), typed)


def _objective(typed: str) -> list[Candidate]:
    plus = "+" if typed.startswith("+") else ""
    return behind(plus, candidates.names("objectives", typed.removeprefix("+")))


def _scaffolds(typed: str) -> list[Candidate]:
    """Kinds for `plugins new --kind`, the last one of a list."""
    from unified.cli.scaffold import KINDS as scaffolds

    before, comma, last = typed.rpartition(",")
    return behind(before + comma, fitting((Candidate(kind) for kind in scaffolds if kind not in before.split(",")), last))


def _argument(line: Line, typed: str) -> list[Candidate]:
    """Arguments of a command."""
    if line.path == ("train",):
        from unified.cli.completion import settings

        short = {"agent": "agent", "suite": "suite"}
        selected = [f"{key}={value}" for name, key in short.items() for value in line.options.get(name, [])]
        return settings.complete(typed, [*selected, *line.arguments], line.options.get("recipe", []))
    if line.path == ("plot",):
        return candidates.runs(typed, line.root)
    if line.arguments:
        return []
    if line.path in (("resume",), ("evaluate",), ("play",), ("export",), ("runs", "show")):
        return candidates.runs(typed, line.root)
    if line.path in (("plugins", "show"), ("plugins", "check")):
        return candidates.everything(typed)
    if line.path == ("plugins", "list"):
        return fitting((Candidate(kind) for kind in KINDS), typed)
    if line.path == ("plugins", "hooks"):
        from unified.cli.hooks import hooks

        return fitting((Candidate(name) for name in hooks()), typed)
    return []
