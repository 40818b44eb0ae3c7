"""Completion of command lines in bash, zsh and fish. Nothing below is imported unless a shell asks, or somebody sets it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Set by the shell that asks, to its name.
VARIABLE = "_UNIFIED_COMPLETE"
INSTALL, SHOW = "--install-completion", "--show-completion"


def wanted(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether this is no command, but about completing one."""
    return VARIABLE in environment or (bool(words) and words[0].partition("=")[0] in (INSTALL, SHOW))
