"""Switches of the command line that become environment variables, which child processes inherit. Imports no torch.

``UNIFIED_DISABLE_PLUGINS=a,b`` disables some plugins, ``UNIFIED_PLUGINS=a,b`` disables all others (empty: all). A plugin is named by its
entry point or its package; built-ins cannot be disabled. On the command line, ``-p no:NAME`` and ``--no-plugins`` do the same for every
command. ``--trust`` lets a command import the code that runs and recipes name (`unified.core.components.trust`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

DISABLE_VARIABLE = "UNIFIED_DISABLE_PLUGINS"
ONLY_VARIABLE = "UNIFIED_PLUGINS"
#: If set, a plugin that fails ends every command.
STRICT_VARIABLE = "UNIFIED_STRICT_PLUGINS"
#: If set, each call of a hook is printed to stderr.
TRACE_VARIABLE = "UNIFIED_TRACE_HOOKS"
#: If set, the code that runs and recipes name is imported, although the user has not named it.
TRUST_VARIABLE = "UNIFIED_TRUST"


@dataclass(frozen=True)
class Switches:
    """The plugins that the environment variables disable.

    Args:
        disabled: Names of disabled plugins.
        only: Names of the only enabled plugins; ``None`` enables all.
    """

    disabled: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Switches:
        only = environment.get(ONLY_VARIABLE)
        return cls(_names(environment.get(DISABLE_VARIABLE, "")), None if only is None else _names(only))

    def refuse(self, provider: str, distribution: str) -> str:
        """The reason why a plugin is disabled; empty if it is enabled."""
        names = {_plain(provider), _plain(distribution)}
        if names & self.disabled:
            return f"switched off (-p no:{provider} or {DISABLE_VARIABLE})"
        if self.only is not None and not names & self.only:
            return f"not wanted (--no-plugins, or not in {ONLY_VARIABLE})"
        return ""


def take_switches(words: Sequence[str], environment: MutableMapping[str, str]) -> tuple[list[str], list[str]]:
    """Move ``-p no:NAME``, ``--no-plugins``, ``--trace-hooks`` and ``--trust`` from a command line to environment variables.

    Returns:
        The remaining words, and the names after ``-p no:``.
    """
    left: list[str] = []
    names: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            left += [word, *words]
            break
        if word == "-p" and words and words[0].startswith("no:"):
            names.append(words.pop(0).removeprefix("no:"))
        elif word.startswith("-pno:"):
            names.append(word.removeprefix("-pno:"))
        elif word == "--no-plugins":
            environment[ONLY_VARIABLE] = ""
        elif word == "--trace-hooks":
            environment[TRACE_VARIABLE] = "1"
        elif word == "--trust":
            environment[TRUST_VARIABLE] = "1"
        else:
            left.append(word)
    if names:
        environment[DISABLE_VARIABLE] = ",".join(filter(None, [environment.get(DISABLE_VARIABLE, ""), *names]))
    return left, names


def same(name: str, other: str) -> bool:
    """Whether both names are the same plugin: ``Unified_Plugin.XYZ`` is ``unified-plugin-xyz``, as for pip."""
    return _plain(name) == _plain(other)


def _names(text: str) -> frozenset[str]:
    return frozenset(_plain(name) for name in text.split(",") if name.strip())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
