"""Canonical names of components: every name that a layer sets passes through here. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from unified.core.base.errors import UsageError
from unified.core.components.fingerprint import Names
from unified.core.components.import_paths import canonical, is_reference, shown, split_task
from unified.core.components.options import NAME
from unified.core.config import values
from unified.core.config.layers import Tree, Value, from_tree
from unified.core.config.schema import TASK, Path
from unified.core.registry import Registry

#: The beginning of a value that selects a part of another run.
LOAD = "load:"


class ComponentNames:
    """Canonical names: the shortest name of a registered component, or a reference with an absolute path.

    Args:
        registry: Where names are looked up.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._objects = Names()

    def of(self, value: Any, kind: str) -> Any:
        """The canonical name of a value.

        A Python object gets a name; in a list each item is named, and a plus before a name is kept. Any other value is returned as it is.
        """
        if isinstance(value, list | tuple):
            return [self.of(item, kind) for item in value]
        if value is None or isinstance(value, bool | int | float | bytes | Mapping | PurePath):
            return value
        text = value.strip() if isinstance(value, str) else self._objects.name(value, self._registry.all(kind))
        plus = "+" if text.startswith("+") else ""
        text = canonical(text.removeprefix(plus))
        if not is_reference(text):
            with suppress(UsageError):  # an unknown name is reported where it is used
                text = self._registry.name_of(self._registry.get(kind, text))
        return plus + text

    def of_class(self, value: Any) -> Any:
        """The reference of a class that is no component, as an optimiser; any other value as it is."""
        return canonical(value.strip()) if isinstance(value, str) else self._objects.name(value) if isinstance(value, type) else value

    def selected(self, node: Tree, value: Value, kind: str) -> Value:
        """The canonical name that a layer sets for the slot at `node`; task and options that are part of the value move below it.

        ``dmc:walker_walk`` has a task, ``[gym:CartPole-v1, digits]`` one for each suite; ``load:RUN#encoder`` and
        ``[mlp, {name: mlp, hidden: 64}]`` have options.
        """
        chosen = value.value
        below: dict[Path, Any] = {}
        if kind == "suites" and isinstance(chosen, str) and chosen.strip().startswith("["):
            with suppress(ValueError):  # reported when the slot is read
                chosen = values.split(chosen)
        if kind == "suites" and isinstance(chosen, list | tuple) and len(chosen) == 1:
            (chosen,) = chosen
        if kind == "suites" and isinstance(chosen, list | tuple):
            names = [item if isinstance(item, str) else self.of(item, kind) for item in chosen]
            for index, (name, task) in enumerate(map(split_task, names)):
                names[index] = name
                below |= {(str(index), TASK): task} if task else {}
            chosen = names
        elif kind == "suites":
            chosen = chosen if isinstance(chosen, str) else self.of(chosen, kind)
            if isinstance(chosen, str):
                chosen, below[(TASK,)] = split_task(chosen)
        if kind == "architectures" and isinstance(chosen, str):
            if chosen.startswith(LOAD):
                below[("run",)], _, part = chosen.removeprefix(LOAD).partition("#")
                below |= {("part",): part} if part else {}
                chosen = LOAD.removesuffix(":")
            elif chosen.strip().startswith("["):
                with suppress(ValueError):  # reported when the slot is read
                    chosen = values.split(chosen)
        if kind == "architectures" and isinstance(chosen, list | tuple):
            items = [dict(item) if isinstance(item, Mapping) and NAME in item else {NAME: item} for item in chosen]
            chosen = [item.pop(NAME) for item in items]
            below |= {(str(index), *key): inner for index, item in enumerate(items) for key, inner in from_tree(item, "").values.items()}
        for key, inner in below.items():
            node.add(key, replace(value, value=inner), implied=True)
        return replace(value, value=self.of(chosen, kind))

    def listed(self, key: str, value: Any, kind: str, mixed: bool) -> list[str]:
        """The canonical names of a list; an item ``"+"`` belongs to the item after it.

        Args:
            key: Key of the list.
            value: As a layer sets it.
            kind: Kind of the components.
            mixed: Whether names with and without a plus may stand together.

        Raises:
            ValueError: With message and hint, if it is no list of names.
        """
        if isinstance(value, list | tuple):
            items = [item if isinstance(item, str) else self.of(item, kind) for item in value]
            pairs = zip(["", *items], items, strict=False)
            value = [f"+{item.removeprefix('+')}" if before == "+" else item for before, item in pairs if item != "+"]
        elif not isinstance(value, str):
            value = self.of(value, kind)
        names = [str(self.of(name, kind)) for name in values.names(value)]
        if not mixed and len({name.startswith("+") for name in names}) == 2:
            bare = [shown(name.removeprefix("+")) for name in names]
            add, replaced = (f"{key}={values.show(all_)}" for all_ in ([f"+{name}" for name in bare], bare))
            raise ValueError("some have a plus and some have none", f"to add all of it:  {add}   for this alone:  {replaced}")
        return names
