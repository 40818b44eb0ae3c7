"""Print all errors of a command at once, in columns."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from unified.core.base.errors import UnifiedError, UsageError, plain

#: The parser's error for a wrong option or argument.
Misuse: type[Any] = typer.BadParameter.__bases__[0]
#: Longer texts do not widen their column.
WIDEST = 64


def report(error: UnifiedError) -> None:
    """Print every problem to stderr: the error, a suggestion, and the source if it differs from the line above."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
    rows, place = [], ""
    for problem in error.problems:
        source = f"(from {problem.source})" if problem.source and problem.source != place else ""
        rows.append((plain(problem.message), plain(problem.hint), plain(source)))
        place = problem.source
    first, second = (max((len(row[column]) for row in rows if len(row[column]) <= WIDEST), default=0) for column in (0, 1))
    for message, hint, source in rows:
        columns = [f"{message:<{first}}", *([f"{hint:<{second}}"] if second or hint else []), source]
        line = f"error: {'   '.join(columns)}".rstrip()
        if len(line) <= width:
            print(line, file=sys.stderr)
            continue
        print(_wrapped(message, width, "error: "), file=sys.stderr)
        if advice := "   ".join(filter(None, (hint, source))):
            print(_wrapped(advice, width, "       "), file=sys.stderr)


def _wrapped(text: str, width: int, first: str) -> str:
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * 7, break_long_words=False, break_on_hyphens=False)


@contextmanager
def in_our_words(context: Any = None) -> Iterator[None]:
    """Raise errors of the parser as a UsageError; a group of commands without a command prints its help.

    Args:
        context: The context of the command line.

    Raises:
        UsageError: Instead of the parser's error.
    """
    try:
        yield
    except Misuse as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        from unified.cli.misuse import problem

        raise UsageError(problem(error, context)) from None
