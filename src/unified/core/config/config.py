"""The composed and validated configuration of a run. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from unified.core.components.descriptors import Component
from unified.core.components.options import NAME, Options
from unified.core.config.layers import PYTHON, Layer, from_tree
from unified.core.config.schema import (
    OBJECTIVE,
    WITH,
    CheckpointOptions,
    Evaluate,
    ReplayOptions,
    Selection,
    Suites,
    Train,
    dotted,
    task_names,
)
from unified.core.registry import Registry

#: Keys and groups of keys that do not change the result of a run: a resumed run may set them to other values.
IDENTITY_EXEMPT = (
    *("root", "experiment", WITH, "checkpoint", "launcher", "threads"),  # another number of threads is recorded: `bits_depend_on`
    *("train.frames", "train.updates", "train.hours", "train.epochs", "train.patience"),  # a longer budget continues the same run
    *("train.env_backend", "train.env_workers", "train.env_timeout", "train.max_failures"),
    *("replay.backing", "replay.device", "replay.save"),
)


@dataclass(frozen=True)
class Config:
    """The configuration of one run.

    Args:
        tree: All values as plain data; itself a recipe. A slot is a mapping whose ``name`` (and ``task``) is the selection.
        sources: Source of each leaf of `tree`, by dotted key.
        defaults: Default of each leaf, by dotted key.
        names: The qualified name, or names, of each slot and list, by path.
        gone: Keys of the ``config.json`` of a run that no longer exist and are left out.
        recipes: Names or paths of the recipes.
        code: References to code that no plugin registers (`unified.core.components.trust`).
        embedded: Whether the default recipe applies because no agent, suite or recipe was named.
        layers: The layers that it was composed of, without defaults and presets.
        registry: Where its components were looked up.
        recompose: Composes a configuration of other layers with the same registry.
    """

    experiment: str
    seed: int
    device: str
    precision: str
    threads: int | Literal["auto"]
    compile: str | bool
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
    names: dict[tuple[str, ...], Any] = field(repr=False)
    gone: tuple[str, ...]
    recipes: tuple[str, ...]
    code: tuple[str, ...]
    embedded: bool
    layers: tuple[Layer, ...] = field(repr=False, compare=False)
    registry: Registry = field(repr=False, compare=False)
    recompose: Callable[[Sequence[Layer]], Config] = field(repr=False, compare=False)

    @property
    def online(self) -> bool:
        """Whether the agent steps environments, and does not only learn from a saved replay."""
        return not self.train.offline

    @property
    def tasks(self) -> dict[str, Config]:
        """A configuration for each suite of the run, which differs in its suite only, by the name of the task."""
        members = self.suite.members if isinstance(self.suite, Suites) else (self.suite,)
        return {name: replace(self, suite=member) for name, member in zip(task_names(members), members, strict=True)}

    @property
    def several_suites(self) -> bool:
        """Whether the run has more than one suite."""
        return isinstance(self.suite, Suites)

    @property
    def stored(self) -> dict[str, Any]:
        """The tree with qualified names, as ``config.json`` has it: packages that are installed later do not change its meaning."""
        tree = deepcopy(self.tree)
        for path, name in self.names.items():
            group = tree
            for key in path:
                group = group[key]
            group[NAME] = name
        return tree

    def replace(self, values: Mapping[str, Any] | None = None, **more: Any) -> Config:
        """Another configuration: the same layers below new values from Python. Presets are chosen again.

        Args:
            values: Values, nested or by dotted key: ``{"agent.lr": 1e-4}``.
            **more: Likewise: ``seed=2``.

        Raises:
            UsageError: With all problems of the new values.

        >>> from unified.core.config.compose import compose
        >>> compose(["agent=random", "suite=dmc:cartpole_balance"]).replace(seed=2).seed
        2
        """
        return self.recompose([*self.layers, from_tree({**(values or {}), **more}, PYTHON)])

    def changed(self) -> list[tuple[str, Any, str]]:
        """Key, value and source of everything that differs from its default, in the order of the tree."""
        found = ((path, ".".join(path), value) for path, value in leaves(self.tree))
        return [(dotted(path), value, self.sources[key]) for path, key, value in found if value != self.defaults.get(key)]

    def components(self) -> list[Component]:
        """The selected components, at any depth."""
        return [component for _, selection in self._selections() for component in components_of(selection)]

    def options(self) -> Iterator[tuple[str, Options]]:
        """Dotted key and options of the selected components, at any depth."""
        for key, selection in self._selections():
            yield from ((where, found) for where, found in chosen_in(selection, key) if isinstance(found, Options))

    def _selections(self) -> Iterator[tuple[str, Selection]]:
        yield from (("agent", self.agent), ("suite", self.suite), ("launcher", self.launcher), ("replay.sampler", self.replay.sampler))
        yield from ((f"{OBJECTIVE}.{each.name}", each) for each in self.objectives)
        yield from ((f"{WITH}.{each.name}", each) for each in self.callbacks)

    def digest(self) -> str:
        """sha256 of all values that define the result: without `IDENTITY_EXEMPT`."""
        material = {".".join(path): value for path, value in leaves(self.stored) if not is_identity_exempt(".".join(path))}
        return hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()


def chosen_in(value: Any, key: str = "") -> Iterator[tuple[str, Selection | Options]]:
    """Dotted key and value of every selection and all options within a value, at any depth."""
    if isinstance(value, Suites):
        yield from chosen_in(value.members, key)
    elif isinstance(value, Selection):
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
    """The components that a selection or options select, at any depth."""
    return [found.component for _, found in chosen_in(options) if isinstance(found, Selection)]


def is_identity_exempt(key: str) -> bool:
    """Whether a resumed run may change the value of this dotted key."""
    return any(key == free or key.startswith(f"{free}.") for free in IDENTITY_EXEMPT)


def leaves(tree: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Path and value of each leaf."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found += leaves(value, (*prefix, key))
        else:
            found.append(((*prefix, key), value))
    return found
