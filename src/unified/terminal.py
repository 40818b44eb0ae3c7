"""Print texts of unknown origin: names, keys, exceptions and events of other people reach no terminal as control characters."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

#: Control characters except newline and tab, marks that reverse the direction of text, separators of lines, halves of characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with each control character as an escape; newlines and tabs stay.

    >>> print(plain("a\\x1b[31mb"))
    a\\x1b[31mb
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def line(text: str) -> str:
    """The text in one line: newlines and tabs are escapes too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text to stdout or stderr at once; control characters are escapes."""
    print(plain(text), file=sys.stderr if err else sys.stdout, end="\n" if nl else "", flush=True)


def screen(wide: bool = False) -> Console:
    """A console of rich for styled texts; texts have no markup, and control characters are escapes.

    Args:
        wide: Take 200 columns if stdout is no terminal, so that tables are not wrapped.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(plain(segment.text), segment.style)

    plainly: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    found = Screen(**plainly)
    return found if found.is_terminal or not wide else Screen(**plainly, width=200)
