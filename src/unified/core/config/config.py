"""The configuration of a run, composed and checked. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unified.core.components import Component
from unified.core.config.overrides import dotted
from unified.core.config.schema import OBJECTIVE, WITH, CheckpointOptions, Evaluate, ReplayOptions, Selection, Train
from unified.core.options import Options

#: Keys, and groups of keys, that do not change the result of a run: a resumed run may differ in them.
FREE = (
    *("root", "experiment", WITH, "checkpoint", "launcher"),
    *("train.frames", "train.updates", "train.hours", "train.epochs", "train.patience"),  # a longer budget is the same run, going on
    *("train.placement", "train.environment_timeout", "train.bad_limit", "replay.backing", "replay.save"),
)


@dataclass(frozen=True)
class Config:
    """Everything about one run.

    Args:
        tree: All of it as plain data; itself a recipe. A slot is a mapping whose ``name`` (and ``task``) says what is selected.
        sources: Where each leaf of `tree` comes from, by dotted key.
        defaults: What each leaf would be if nobody had said anything.
        recipes: That were asked for, by name or path.
        embedded: Whether nobody named anything, so that it is the embedded default.
    """

    experiment: str
    seed: int
    device: str
    precision: str
    root: str
    train: Train
    replay: ReplayOptions
    evaluate: Evaluate
    checkpoint: CheckpointOptions
    agent: Selection
    suite: Selection
    launcher: Selection
    callbacks: list[Selection]
    objectives: list[Selection]
    tree: dict[str, Any] = field(repr=False)
    sources: dict[str, str] = field(repr=False)
    defaults: dict[str, Any] = field(repr=False)
    recipes: tuple[str, ...] = ()
    embedded: bool = False

    @property
    def acts(self) -> bool:
        """Whether the agent acts in environments, or only learns from a replay that is there already."""
        return not self.train.offline

    def changed(self) -> list[tuple[str, Any, str]]:
        """Key, value and source of everything that is not its default, in the order of the tree."""
        found = []
        for path, value in leaves(self.tree):
            key = ".".join(path)
            if value != self.defaults.get(key):
                found.append((dotted(path), value, self.sources[key]))
        return found

    def components(self) -> list[Component]:
        """What is selected by name, at any depth."""
        chosen = [self.agent, self.suite, self.launcher, *self.objectives, *self.callbacks]
        return [component for selection in chosen for component in components_of(selection)]

    def options(self) -> Iterator[tuple[str, Options]]:
        """The options of everything that is selected by name, at any depth, each with its dotted key."""
        chosen = [("agent", self.agent), ("suite", self.suite), ("launcher", self.launcher)]
        chosen += [(f"{OBJECTIVE}.{each.name}", each) for each in self.objectives] + [
            (f"{WITH}.{each.name}", each) for each in self.callbacks
        ]
        for key, selection in chosen:
            yield from ((where, found) for where, found in chosen_in(selection, key) if isinstance(found, Options))

    def digest(self) -> str:
        """sha256 of what defines the result: not where it is kept, how long it goes on, who watches, or how often it is saved."""
        material = {".".join(path): value for path, value in leaves(self.tree) if not is_free(".".join(path))}
        return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


def chosen_in(value: Any, key: str = "") -> Iterator[tuple[str, Selection | Options]]:
    """Dotted key and value of every selection, and of all options, in a selection, in options, or in lists and groups of them."""
    if isinstance(value, Selection):
        yield key, value
        yield from chosen_in(value.options, key)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from chosen_in(item, f"{key}.{index}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from chosen_in(item, f"{key}.{name}")
    elif isinstance(value, Options):
        yield key, value
        for name in type(value).model_fields:
            yield from chosen_in(getattr(value, name), f"{key}.{name}")


def components_of(options: Any) -> list[Component]:
    """The components that are selected in a selection, in options or in lists of them, at any depth."""
    return [found.component for _, found in chosen_in(options) if isinstance(found, Selection)]


def is_free(key: str) -> bool:
    """Whether a resumed run may change what stands at this dotted key."""
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def leaves(tree: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Path and value of each leaf."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found += leaves(value, (*prefix, key))
        else:
            found.append(((*prefix, key), value))
    return found
