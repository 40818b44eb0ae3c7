"""Print texts of unknown origin on terminals of every encoding, for readers that may go away.

Names, keys, exceptions and events of other people reach no terminal as control characters.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import plain

if TYPE_CHECKING:
    from rich.console import Console


def line(text: str) -> str:
    """The text in one line: newlines and tabs are escapes too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text to stdout or stderr at once; control characters are escapes."""
    print(plain(text), file=sys.stderr if err else sys.stdout, end="\n" if nl else "", flush=True)


def screen(wide: bool = False, file: Output | None = None) -> Console:
    """A console of rich for styled texts; texts have no markup, and control characters are escapes.

    Args:
        wide: Take 200 columns if stdout is no terminal, so that tables are not wrapped.
        file: Where it prints; standard output by default.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(plain(segment.text), segment.style)

    plainly: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, "file": file}
    found = Screen(**plainly)
    return found if found.is_terminal or not wide else Screen(**plainly, width=200)


# Encodings and readers

#: What stands for characters that an encoding lacks; `?` for any other.
_ASCII = {"…": "...", "·": "|", "—": "-", "–": "-", "−": "-", "±": "+-", "×": "x", "≥": ">=", "≤": "<=", "→": "->", "←": "<-", "²": "2"}
_ASCII |= {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "ε": "epsilon",
    "λ": "lambda",
    "τ": "tau",
    "σ": "sigma",
    "•": "*",
    "✓": "yes",
    "✗": "no",
}


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(character, "?") for character in error.object[error.start : error.end]), error.end


codecs.register_error("unified", _replaced)


def encodable(text: str, encoding: str | None) -> str:
    """The text, with other characters for those that an encoding lacks.

    >>> encodable("950 ± 4 …", "ascii"), encodable("950 ± 4 …", "latin-1"), encodable("950 ± 4 …", "utf-8")
    ('950 +- 4 ...', '950 ± 4 ...', '950 ± 4 …')
    """
    encoding = encoding or "utf-8"
    return text.encode(encoding, "unified").decode(encoding)


def tolerate_encodings() -> None:
    """Let standard output and standard error replace what their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by a stream of another type, or closed
            stream.reconfigure(errors="unified")  # type: ignore[union-attr]


class Output:
    """Standard output for a program that goes on without a reader: what cannot be encoded is replaced, a broken pipe becomes silence."""

    @property
    def encoding(self) -> str:
        return getattr(sys.stdout, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        try:
            return sys.stdout.write(encodable(text, self.encoding))
        except BrokenPipeError:
            _silence()
            return len(text)

    def flush(self) -> None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()

    def isatty(self) -> bool:
        return bool(sys.stdout.isatty())

    def fileno(self) -> int:
        return sys.stdout.fileno()


def _silence() -> None:
    """Send standard output to the null device, and standard error too where it is the same pipe."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        broken = os.fstat(sys.stdout.fileno())
        if os.path.samestat(broken, os.fstat(sys.stderr.fileno())):
            os.dup2(null, sys.stderr.fileno())
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
