"""Errors that a person can act on: printed without a traceback, each with what is wrong, what is allowed and what to type next."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        message: What is wrong, naming the bad value.
        hint: What would be allowed, or the next command to type.
        source: Where it was said (``"the command line"``, ``"recipe laptop"``).
    """

    message: str
    hint: str = ""
    source: str = ""

    def __str__(self) -> str:
        text = self.message
        if self.hint:
            text += f"    {self.hint}"
        if self.source:
            text += f"    (from {self.source})"
        return text


class UnifiedError(Exception):
    """Something went wrong that a person can mend; the command line prints it without a traceback and exits with `exit_code`."""

    exit_code = 1

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class PluginFailed(UnifiedError):
    """A plugin that the run cannot do without raised something of its own: the run ends with its name; `__cause__` says where."""

    @classmethod
    def by(cls, name: str, doing: str, error: Exception) -> PluginFailed:
        """``agent xyz failed while learning: ValueError: … (file:line)``."""
        failed = cls(Problem(f"{name} failed {doing}: {one_line(error)}"))
        failed.__cause__ = error
        return failed


class Notice(UserWarning):
    """A warning for whoever types commands: the command line prints its text alone."""


class UsageError(UnifiedError):
    """What was asked for cannot be: a wrong name, key, value or combination. Nothing was started, nothing was lost."""

    exit_code = 2


class FilesMissing(UsageError):
    """What a run needs is not on this machine: files of a data set that could not be fetched, another run, a kept replay."""


@contextmanager
def plugin_errors(name: str, doing: str) -> Iterator[None]:
    """Whatever is raised within is the fault of `name`; what a person can mend stays as it is.

    Raises:
        PluginFailed: For everything else.
    """
    try:
        yield
    except UnifiedError:
        raise
    except Exception as error:
        raise PluginFailed.by(name, doing, error) from error


def one_line(error: BaseException) -> str:
    """The error and where it was raised: ``ValueError: no more (mine.py:3)``."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error_text(error)} ({where.filename}:{where.lineno})"


def error_text(error: BaseException) -> str:
    """The error alone, in a line.

    >>> told(ValueError("no\\nmore")), told(KeyboardInterrupt())
    ('ValueError: no more', 'KeyboardInterrupt')
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
