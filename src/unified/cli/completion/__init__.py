"""Completion in bash, zsh and fish. The modules are imported only for a completion or its installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The shell that requests completions sets this to its name.
VARIABLE = "_UNIFIED_COMPLETE"
INSTALL, SHOW = "--install-completion", "--show-completion"


def wanted(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether the command line is a completion request or its installation."""
    return VARIABLE in environment or (bool(words) and words[0].partition("=")[0] in (INSTALL, SHOW))
