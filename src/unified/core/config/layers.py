"""Layers of values and the tree that they merge into; every value in it keeps its source. Torch-free."""

from __future__ import annotations

import re
from bisect import insort_left, insort_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unified.core.base import suggest
from unified.core.base.errors import Problem
from unified.core.components.import_paths import bare
from unified.core.components.options import NAME
from unified.core.config.limits import DEEPEST
from unified.core.config.schema import LISTS, Path, RunOptions, dotted
from unified.core.config.suggestions import selecting
from unified.core.registry import Registry

COMMAND_LINE = "the command line"
PYTHON = "Python"
DEFAULT = "default"
_KEY = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


@dataclass(frozen=True)
class Layer:
    """The values of one source.

    Args:
        source: ``"the command line"``, ``"recipe laptop"``; shown beside each value.
        values: Values by path.
        lines: Line of each key, if the source is a YAML file.
        implicit: Whether the layer applies although the user did not name it, as the default recipe does.
        own: Whether the user, or an installed package, wrote it: the code that it names may be imported.
        signed: References that may be imported from any other layer.
        packages: Version of each package that wrote it, if it is the ``config.json`` of a run.
    """

    source: str
    values: Mapping[Path, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)
    implicit: bool = False
    own: bool = True
    signed: Collection[str] = ()
    packages: Mapping[str, str] | None = None

    def without(self, paths: Iterable[Path]) -> Layer:
        """The layer without some keys and everything below them; ``callbacks.video`` also leaves the list."""
        kept = dict(self.values)
        for out in paths:
            kept = {path: value for path, value in kept.items() if path[: len(out)] != out}
            names = (*out[:-1], NAME)
            if out[0] in LISTS and isinstance(listed := kept.get(names), list):
                kept[names] = [name for name in listed if bare(str(name).removeprefix("+")) != out[-1]]
        return replace(self, values=kept)


@dataclass(frozen=True)
class Value:
    """A value and its provenance.

    Args:
        value: As it was typed or loaded.
        source: The source of its layer.
        rank: Position of the layer; higher ones win.
        line: Line of the file.
        order: Position within the layer, for two spellings of one key.
    """

    value: Any
    source: str = DEFAULT
    rank: int = -1
    line: int | None = None
    order: int = 0

    @property
    def place(self) -> str:
        """Source and line for error messages: ``"recipe mine.yaml, line 4"``; empty for a default."""
        line = "" if self.line is None else f", line {self.line}"
        return "" if self.source == DEFAULT else f"{self.source}{line}"


class Tree:
    """A key with everything below it.

    ``values`` holds the value of every layer that sets the key itself, lowest layer first; ``children`` holds the keys below.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.children: dict[str, Tree] = {}

    @property
    def value(self) -> Value | None:
        """The value of the highest layer that sets the key itself."""
        return self.values[-1] if self.values else None

    @property
    def selections(self) -> list[Value]:
        """The values of a slot, lowest layer first: ``agent=drqv2`` is short for ``agent.name=drqv2``."""
        return sorted([*self.values, *self.at((NAME,)).values], key=lambda value: (value.rank, value.order))

    @property
    def latest(self) -> Value | None:
        """The value of the highest layer that sets the key or one below it."""
        found = [*self.values, *(value for _, value in self.leaves())]
        return max(found, key=lambda value: value.rank, default=None)

    def at(self, path: Path) -> Tree:
        """The tree below a path; an empty one if there is none."""
        node = self
        for key in path:
            if key not in node.children:
                return Tree()
            node = node.children[key]
        return node

    def add(self, path: Path, value: Value, implied: bool = False) -> None:
        """Add a value; an `implied` one loses against another value of the same layer."""
        node = self
        for key in path:
            node = node.children.setdefault(key, Tree())
        (insort_left if implied else insort_right)(node.values, value, key=lambda each: each.rank)

    def merge(self, layers: Sequence[Layer], first: int = 0) -> None:
        """Add the values of layers, whose ranks begin with `first`."""
        for rank, layer in enumerate(layers, first):
            for order, (path, value) in enumerate(layer.values.items()):
                self.add(path, Value(value, layer.source, rank, layer.lines.get(path), order))

    def leaves(self, path: Path = ()) -> Iterator[tuple[Path, Value]]:
        """Path and highest value of every key below this one."""
        for key, child in self.children.items():
            if child.value is not None:
                yield (*path, key), child.value
            yield from child.leaves((*path, key))

    def graft(self, path: Path, other: Tree) -> None:
        """Add all values of another tree below a path."""
        for value in other.values:
            self.add(path, value)
        for key, child in other.children.items():
            self.graft((*path, key), child)

    def take(self, rank: int, keys: Iterable[str]) -> dict[str, Any]:
        """Remove what one layer sets for some keys below this one, and return it nested."""
        taken: dict[str, Any] = {}
        for key in keys:
            child = self.children[key]
            own = [value for value in child.values if value.rank == rank]
            child.values = [value for value in child.values if value.rank != rank]
            if own:
                taken[key] = own[-1].value
            elif below := child.take(rank, list(child.children)):
                taken[key] = below
        return taken

    def cut(self, chosen: Callable[[Value], bool]) -> Tree:
        """Remove the `chosen` values of this key and of those below it, and return them."""
        taken = Tree()
        taken.values = [value for value in self.values if chosen(value)]
        self.values = [value for value in self.values if not chosen(value)]
        taken.children = {key: child.cut(chosen) for key, child in self.children.items()}
        return taken

    def drop(self, rank: int, keys: Iterable[str] | None = None) -> None:
        """Remove the values that layers below `rank` set below this key: all of them, or those of some `keys` only."""
        for key in list(self.children) if keys is None else [key for key in keys if key in self.children]:
            child = self.children[key]
            child.values = [value for value in child.values if value.rank >= rank]
            child.drop(rank)
            if not child.values and not child.children:
                del self.children[key]


def from_tree(tree: Mapping[Any, Any], source: str, lines: Mapping[Path, int] | None = None) -> Layer:
    """The layer of nested keys and values; keys may be dotted at any depth, and an empty mapping sets nothing."""
    return Layer(source, dict(_leaves(tree, ())), lines or {})


def _leaves(tree: Mapping[Any, Any], prefix: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        path = (*prefix, *path_of(str(key)))
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, value


def path_of(key: str) -> Path:
    """The path of a dotted key."""
    return tuple(part.strip() for part in key.split("."))


def from_words(words: Sequence[str], problems: list[Problem], registry: Registry) -> Layer:
    """The layer of ``key=value`` words; a problem is added for each word that is none, and for each key that two words set."""
    values: dict[Path, Any] = {}
    keys: dict[str, str] = {}
    left = list(words)
    while left:
        count, meant = _joined(left)
        word = " ".join(left[:count])
        del left[:count]
        key, equals, value = (meant or word).partition("=")
        path = path_of(key.strip().removeprefix("--"))
        if meant or not equals or not all(path):
            value_missing = f"give it a value:  {word}=…" if is_key(word) else "for example  agent.lr=1e-4"
            hint = suggest.ask([meant]) if meant else selecting(word, registry) or value_missing
            problems.append(Problem(f"{word!r} is not KEY=VALUE", hint, COMMAND_LINE))
        if len(path) > DEEPEST:
            problems.append(
                Problem(f"the key of {len(path)} levels does not exist: {word[:40]}…", "for example  agent.lr=1e-4", COMMAND_LINE)
            )
        elif equals and all(path):
            if (before := keys.setdefault(dotted(path), value)) != value:
                problems.append(Problem(f"{dotted(path)} is set to {before} and to {value}", "leave one of them out", COMMAND_LINE))
            values[path] = value
    return Layer(COMMAND_LINE, values)


def _joined(words: Sequence[str]) -> tuple[int, str]:
    """How many words belong together, and the word that was meant: ``agent.lr = 1`` and ``agent drqv2`` lack or misplace the ``=``."""
    word, following, third = [*words, "", ""][:3]
    if "=" not in word and following == "=" and third:
        return 3, f"{word}={third}"
    if "=" not in word and following.startswith("=") and len(following) > 1:
        return 2, word + following
    if "=" not in following and following and (is_key(word) or (word.endswith("=") and len(word) > 1)):
        return 2, f"{word.removesuffix('=')}={following}"
    key, colon, value = word.partition(":")
    return 1, f"{key}={value}" if "=" not in word and colon and is_key(key) else ""


def is_key(word: str) -> bool:
    """Whether a word is a key of a run without a value."""
    return _KEY.fullmatch(word) is not None and word.partition(".")[0] in (*RunOptions.model_fields, *LISTS)
