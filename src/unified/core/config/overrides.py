"""Layers of values, each with its source: what was typed, what Python said, what a recipe holds. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unified.core.config.schema import LISTS
from unified.core.options import NAME

Path = tuple[str, ...]
COMMAND_LINE = "the command line"
PYTHON = "Python"
DEFAULT = "default"
#: Slots of the run itself: ``agent=drqv2`` is short for ``agent.name=drqv2``.
SLOTS = ("agent", "suite", "launcher", *LISTS)


@dataclass
class Layer:
    """Values that one source gives.

    Args:
        source: ``"the command line"``, ``"recipe laptop"``; shown beside each value.
        values: By path; a slot's selection lies under ``name``.
        lines: Of the file that it is, where it is one and they are known.
    """

    source: str
    values: dict[Path, Any] = field(default_factory=dict)
    lines: Mapping[Path, int] = field(default_factory=dict)

    def set(self, path: Path, value: Any) -> None:
        """Set a value; a later one of the same key wins."""
        self.values.pop(path, None)
        self.values[path] = value

    def place(self, path: Path) -> str:
        """The source of a value, with its line: ``"recipe mine.yaml, line 4"``."""
        # ``suite: dmc:x`` says name and task at once, and ``encoder.depth`` is short for ``agent.encoder.depth``.
        said = (path, path[:-1], path[1:], path[1:-1])
        line = next((self.lines[key] for key in said if key in self.lines), None)
        return self.source if line is None else f"{self.source}, line {line}"


def dotted(path: Sequence[str]) -> str:
    """The path as a person types it: ``agent.name`` is ``agent``."""
    return ".".join(path[:-1] if len(path) > 1 and path[-1] == NAME else path)


def from_tree(tree: Mapping[Any, Any], source: str, lines: Mapping[Path, int] | None = None) -> Layer:
    """The layer of a tree; keys may be dotted, at any depth.

    Args:
        tree: Of keys and values.
        source: Where it is from.
        lines: Of its keys, by path (`path_of`).
    """
    layer = Layer(source, lines=lines or {})
    for path, value in _leaves(tree, ()):
        layer.set(canonical(path), value)
    return layer


def _leaves(tree: Mapping[Any, Any], prefix: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        path = (*prefix, *path_of(str(key)))
        if isinstance(value, Mapping) and (value or path[0] in SLOTS):
            yield from _leaves(value, path)
        else:
            yield path, value


def path_of(key: str) -> Path:
    """The path of a dotted key."""
    return tuple(part.strip() for part in key.split("."))


def canonical(path: Path) -> Path:
    """The path under which a value is kept: ``agent`` is ``agent.name``."""
    return (*path, NAME) if len(path) == 1 and path[0] in SLOTS else path
