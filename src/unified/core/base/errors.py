"""Errors that users can act on: the message, what would be allowed, and the next command. Printed without a traceback."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import PurePath
from types import TracebackType

#: Folders of libraries in which an error of a plugin's code is often raised.
_LIBRARIES = frozenset({"torch", "numpy", "pydantic"})

#: Characters of an exception's message, or of an environment's last output, that are shown and stored.
LONGEST = 2000
#: Longest word of an error, in characters: a file name has 255.
_WORD = 256
_LONG_WORD = re.compile(rf"\S{{{_WORD + 1},}}")
#: Control characters except newline and tab, marks that reverse the direction of text, separators of lines, halves of characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Problem:
    """One error message. The middle of a word of more than 256 characters is left out.

    Args:
        message: The error, with the bad value.
        hint: Allowed values, or the next command to type.
        source: Source of the value (``"the command line"``, ``"recipe laptop"``).
    """

    message: str
    hint: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "hint"):
            object.__setattr__(self, name, _LONG_WORD.sub(_without_middle, getattr(self, name)))

    def __str__(self) -> str:
        text = self.message
        if self.hint:
            text += f"    {self.hint}"
        if self.source:
            text += f"    (from {self.source})"
        return text


def _without_middle(found: re.Match[str]) -> str:
    word, side = found[0], 120
    return f"{word[:side]}…{word[-side:]} ({len(word):,} characters)"


class UnifiedError(Exception):
    """An error that users can fix; the command line prints it without a traceback and exits with `exit_code`."""

    exit_code = 1

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class PluginFailed(UnifiedError):
    """A critical component raised an exception, which ends the run; `__cause__` is the exception."""

    @classmethod
    def by(cls, name: str, doing: str, error: BaseException) -> PluginFailed:
        """``agent xyz failed while learning: ValueError: … (file:line)``."""
        failed = cls(Problem(f"{name} failed {doing}: {one_line(error)}"))
        failed.__cause__ = error
        return failed


class EnvironmentFailed(UnifiedError):
    """An environment failed so often that the run, or an evaluation, cannot continue with it. What was learned is saved."""

    exit_code = 2


class Notice(UserWarning):
    """A user-facing warning; the command line prints it without file and line."""


class UsageError(UnifiedError):
    """A wrong name, key, value or combination of values. It is raised before a run starts."""

    exit_code = 2


class NotTrusted(UsageError):
    """A run or a recipe names code that the user has not named (`unified.core.components.trust`)."""


class FilesMissing(UsageError):
    """A run refers to something that does not exist: files of a data set, another run, a saved replay, the package
    of a task."""


class StorageError(UsageError):
    """A file or directory cannot be read or written, at any time of a run: a full disk, a link in place of a file, a moved directory."""


class Damaged(StorageError):
    """A stored state is incomplete, was changed, or does not fit. An older one may be used instead."""


class OtherCode(UsageError):
    """A stored state is intact, but the code that loads it has other parts or shapes than the code that wrote it."""


class plugin_errors:  # a class, which costs a quarter of a generator: every update enters several
    """Attribute exceptions raised within the context to the component `name`; a `UnifiedError` passes unchanged.

    Raises:
        PluginFailed: For any other exception.
    """

    __slots__ = ("_doing", "_name")

    def __init__(self, name: str, doing: str) -> None:
        self._name, self._doing = name, doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and not isinstance(error, UnifiedError | KeyboardInterrupt):  # also `sys.exit()`: the run did not finish
            raise PluginFailed.by(self._name, self._doing, error) from error


def one_line(error: BaseException) -> str:
    """Type, message and place of an exception: ``ValueError: no more (mine.py:3)``; not the place in a library that was called."""
    frames = traceback.extract_tb(error.__traceback__)
    where = next((frame for frame in reversed(frames) if _LIBRARIES.isdisjoint(PurePath(frame.filename).parts)), frames[-1])
    return f"{error_text(error)} ({where.filename}:{where.lineno})"


def error_text(error: BaseException) -> str:
    """Type and message of an exception in one line.

    >>> error_text(ValueError("no\\nmore")), error_text(KeyboardInterrupt())
    ('ValueError: no more', 'KeyboardInterrupt')
    """
    try:
        text = " ".join(shortened(str(error)).split())
    except Exception:
        text = "its message cannot be read"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shortened(text: str) -> str:
    """The first `LONGEST` characters of a text that may be of any length, with an escape for each one that controls a terminal or that
    cannot be encoded.

    >>> shortened("half a character: " + chr(0xD83D)), len(shortened("very long" * 1_000_000)) < 2100
    ('half a character: \\\\ud83d', True)
    """
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} … ({len(text):,} characters)"
    return plain(text)


def plain(text: str) -> str:
    """The text with each control character as an escape; newlines and tabs stay.

    >>> print(plain("a\\x1b[31mb"))
    a\\x1b[31mb
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
