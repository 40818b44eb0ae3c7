"""Which plugins are left out, said by the environment so that the processes we start hear it too. Torch-free.

``UNIFIED_DISABLE_PLUGINS=a,b`` leaves some out, ``UNIFIED_PLUGINS=a,b`` leaves all others out (empty: all of them). Plugins are meant
by the name of their entry point or of their package; the built-ins stay. On the command line it is ``-p no:NAME`` and ``--no-plugins``,
anywhere on the line and for every command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

DISABLE_VARIABLE = "UNIFIED_DISABLE_PLUGINS"
ONLY_VARIABLE = "UNIFIED_PLUGINS"
#: If set, a plugin that fails ends every command.
STRICT_VARIABLE = "UNIFIED_STRICT_PLUGINS"
#: If set, every call of a hook is told on stderr.
TRACE_VARIABLE = "UNIFIED_TRACE_HOOKS"


@dataclass(frozen=True)
class Switches:
    """What the environment says.

    Args:
        disabled: Names that are left out.
        only: Names that are not; ``None`` where all are wanted.
    """

    disabled: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Switches:
        only = environment.get(ONLY_VARIABLE)
        return cls(_names(environment.get(DISABLE_VARIABLE, "")), None if only is None else _names(only))

    def refuse(self, provider: str, distribution: str) -> str:
        """Why this plugin is left out; empty where it is not."""
        meant = {_plain(provider), _plain(distribution)}
        if meant & self.disabled:
            return f"switched off (-p no:{provider} or {DISABLE_VARIABLE})"
        if self.only is not None and not meant & self.only:
            return f"not wanted (--no-plugins, or not in {ONLY_VARIABLE})"
        return ""


def take_switches(words: Sequence[str], environment: MutableMapping[str, str]) -> tuple[list[str], list[str]]:
    """Move switches from the words of a command line to the environment.

    Returns:
        The words that are left, and the names after ``-p no:``.
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
        else:
            left.append(word)
    if names:
        environment[DISABLE_VARIABLE] = ",".join(filter(None, [environment.get(DISABLE_VARIABLE, ""), *names]))
    return left, names


def same(name: str, other: str) -> bool:
    """Whether both mean one plugin: ``Unified_Plugin.XYZ`` is ``unified-plugin-xyz``, as for pip."""
    return _plain(name) == _plain(other)


def _names(text: str) -> frozenset[str]:
    return frozenset(_plain(name) for name in text.split(",") if name.strip())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
