"""Errors of the parser as problems with suggestions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from unified.core.base.errors import Problem
from unified.core.base.suggest import ask, closest, did_you_mean


def problem(error: Any, context: Any = None) -> Problem:
    """The problem of an error of the parser.

    Args:
        error: The error, with the context of its command if the parser knows it.
        context: The context of the command line.
    """
    path, command = _command(error, context)
    help_of = f"all: {path} --help"
    kind, text = type(error).__name__, error.format_message()
    if kind == "NoSuchOption":
        return Problem(f"{path} has no option {error.option_name}", _option(error.option_name, path, command) or help_of)
    if kind == "MissingParameter" and error.param is not None:
        return Problem(f"{path} needs a {error.param.name.upper()}", getattr(error.param, "help", "") or help_of)
    if kind == "BadParameter" and error.param is not None:
        return Problem(f"{_name(error.param)}: {_plainly(error.message)}", _choices(error.message))
    if missing := re.match(r"Option '(-[\w-]+)' requires an argument", text):
        return Problem(f"{missing[1]} needs a value", _example(missing[1], command) or help_of)
    if unknown := re.match(r"No such command '(.*?)'", text):
        near = closest(unknown[1], command.list_commands(error.ctx))
        return Problem(f"there is no command '{path.removeprefix('unified ')} {unknown[1]}'", ask([f"{path} {near}"]) if near else help_of)
    if extra := re.match(r"Got unexpected extra argument\S* \((.*)\)", text):
        return Problem(f"{path} takes no {extra[1]!r}", _usage(error))
    return Problem(text, help_of)


def _command(error: Any, context: Any) -> tuple[str, Any]:
    """Path and command of an error."""
    if error.ctx is not None:
        return error.ctx.command_path, error.ctx.command
    typed = getattr(context, "invoked_subcommand", None)
    if typed is None:
        return "unified", context.command if context is not None else None
    return f"unified {typed}", context.command.get_command(context, typed)


def _usage(error: Any) -> str:
    usage = " ".join(error.ctx.get_usage().split()).replace("Usage:", "usage:")
    return re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), usage)


def _name(parameter: Any) -> str:
    """``--episodes``, or ``NAME``."""
    return max(parameter.opts, key=len) if parameter.opts[0].startswith("-") else str(parameter.name).upper()


def _option(name: str, path: str, command: Any) -> str:
    """For ``--lr`` and ``--train.frames`` the word that sets it, else the most similar option."""
    options = {option.lstrip("-"): option for param in (command.params if command else ()) for option in param.opts if option[:2] == "--"}
    plain = name.lstrip("-")
    near = options.get(closest(plain, options) or "")
    if path == "unified train" and len(plain) > 1:
        from unified.core.config.compose import compose
        from unified.core.config.suggestions import called, corresponding, guesses, is_answer

        key, known = tuple(plain.replace("-", "_").split(".")), [key.removesuffix(".name") for key in compose().sources]
        if "." in plain or near is None or any(each.endswith(f".{key[-1]}") for each in known):
            if found := corresponding(key, known):
                typed = [f"--{each}" if each in options else f"{each}=…" for each in found]
                return called(found) if is_answer(found[0]) else f"it is called  {' or '.join(typed)}"
            found = [plain] if plain in known else guesses(key, known)
            return ask([f"{each}=…" for each in found]) if found else "values are words without dashes:  KEY=VALUE, e.g. agent.lr=1e-4"
    return ask([near]) if near else ""


def _example(option: str, command: Any) -> str:
    """The example after ``e.g.`` in the help of an option, else the help."""
    text = next((param.help or "" for param in (command.params if command else ()) if option in param.opts), "")
    example = re.search(r"e\.g\. (\S+?)\.?$", text)
    return f"for example  {option} {example[1]}" if example else text


#: Phrases of the parser and their replacements.
_PHRASES = (
    (r"Input should be a valid integer.*", "must be a whole number"),
    (r"Input should be a valid number.*", "must be a number"),
    (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
    (r"(?:Value error, )?('.*') is not one of .*", r"there is no \1"),
    (r"Input should be", "must be"),
)


def _plainly(text: str) -> str:
    for pattern, ours in _PHRASES:
        text = re.sub(pattern, ours, text)
    return text.rstrip(".")


def _choices(text: str) -> str:
    found = re.search(r"'(.*?)' is not one of (.*?)\.?$", text)
    if not found:
        return ""
    choices: Sequence[str] = [choice.strip("' ") for choice in found[2].split(",")]
    return did_you_mean(found[1], choices) or f"one of {', '.join(choices)}"
