"""Write validated options as a tree of plain data, with source and default of each leaf. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from unified.core.components.import_paths import bare, split_task
from unified.core.components.options import NAME, Options
from unified.core.config.choose import Chooser
from unified.core.config.config import leaves
from unified.core.config.layers import DEFAULT
from unified.core.config.schema import LISTS, TASK, Path, RunOptions, Selection, slot_of


class Record:
    """The configuration as plain data.

    Attributes:
        tree: All values; itself a recipe. The lists stand behind the suite.
        sources: Source of each leaf, by dotted key.
        defaults: Default of each leaf, by dotted key.
        names: The qualified name, or names, of each slot and list, by path.
    """

    def __init__(self, chooser: Chooser, options: RunOptions, lists: Mapping[str, list[Selection]]) -> None:
        self._chooser = chooser
        self.sources: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        self.names: dict[Path, Any] = {}
        self.tree: dict[str, Any] = {}
        for key, value in self._options(options, ()).items():
            self.tree[key] = value
            if key == "suite":
                self.tree |= {name: self._list(name, selections) for name, selections in lists.items()}

    def _options(self, options: Options, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        filled = isinstance(getattr(options, options.short_for, None), Selection | tuple)
        for name, field in type(options).model_fields.items():
            if filled and name in options.selects:  # for an empty slot
                continue
            at, value = (*path, name), getattr(options, name)
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            if slot := slot_of(field):
                found[name] = self._slot(at, value, self._chooser.names.of(default, slot.kind))
            elif isinstance(value, Options):
                found[name] = self._options(value, at)
            elif isinstance(value, dict) and value and all(isinstance(each, Options) for each in value.values()):
                found[name] = {key: self._options(each, (*at, key)) for key, each in value.items()}
            else:
                found[name] = to_jsonable_python(value)
                self._leaf(at, found[name], to_jsonable_python(default))
        return found

    def _slot(self, path: Path, value: Selection | tuple[Selection, ...] | None, default: Any) -> Any:
        if value is None:
            self._note(path, path, default)
            return None
        if isinstance(value, tuple):
            tree = self._several(path, value, default, {str(i): each for i, each in enumerate(value)})
            for index, each in enumerate(value):
                if each.task:
                    tree[str(index)] = {TASK: each.task, **tree.get(str(index), {})}
                    self._leaf((*path, str(index), TASK), each.task, None)
            return tree
        name, task = split_task(default) if value.kind == "suites" else (default, "")
        self._note(path, (*path, NAME), name)
        self.names[path], tree = value.qualified, {NAME: value.name}
        if value.task:
            tree[TASK] = value.task
            below = self._chooser.tree.at((*path, TASK)).value
            self.sources[".".join((*path, TASK))] = below.source if below else DEFAULT
            self.defaults[".".join((*path, TASK))] = task
        return tree | self._options(value.options, path)

    def _list(self, key: str, selections: list[Selection]) -> dict[str, Any]:
        below = {bare(each.name.removeprefix("+")): each for each in selections}
        return self._several((key,), selections, list(LISTS[key].default), below)

    def _several(self, path: Path, selections: Sequence[Selection], default: Any, below: Mapping[str, Selection]) -> dict[str, Any]:
        """The tree of several components: their names, and the options of each below its key."""
        self._note(path, (*path, NAME), default)
        self.names[path] = [each.qualified for each in selections]
        trees = {key: self._options(each.options, (*path, key)) for key, each in below.items()}
        return {NAME: [each.name for each in selections]} | {key: tree for key, tree in trees.items() if tree}

    def _note(self, path: Path, leaf: Path, default: Any) -> None:
        """Record the source and the default of a selection; its value is at `leaf`."""
        selections = self._chooser.tree.at(path).selections
        self.sources[".".join(leaf)] = selections[-1].source if selections else DEFAULT
        self.defaults |= dict.fromkeys([".".join(path), ".".join((*path, NAME))], default)

    def _leaf(self, path: Path, value: Any, default: Any) -> None:
        node = self._chooser.tree.at(path)
        for leaf, _ in leaves({"": value}):
            origin = node.at(leaf[1:]).latest or node.value
            self.sources[".".join((*path, *leaf[1:]))] = origin.source if origin else DEFAULT
        self.defaults |= {".".join((*path, *leaf[1:])): each for leaf, each in leaves({"": default})}
