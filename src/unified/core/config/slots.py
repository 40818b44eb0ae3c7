"""Slots: what chooses a component by its name, or several architectures by a list, with options below it. Torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic.fields import FieldInfo

from unified.core.components import Component, SuiteComponent
from unified.core.config import values
from unified.core.config.layered import Layered
from unified.core.config.overrides import DEFAULT, Layer, Path, from_tree
from unified.core.config.schema import TASK, Choice, Selection, Slot, slot_of, takes_none
from unified.core.config.tasks import meant_suite, meant_task, task_problems
from unified.core.config.unknown import with_option
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.options import NAME, Options
from unified.core.references import shown, split_task

#: Begins the name of a run whose part is a part of this one.
LOAD = "load:"
_NO_NULL = "a list holds no null   leave it out, or say null alone"


class Slots(Layered, ABC):
    """Layers whose slots choose components."""

    def choose(self, path: Path, slot: Slot, field: FieldInfo, assumed: str | None = None) -> Choice:
        """What a slot selects. Options that lower layers set for another selection are dropped.

        Args:
            path: Of the slot.
            slot: What kind of component it takes.
            field: Its declaration, with its default.
            assumed: The selection that options below all selections are for; ``None`` where they may be for any.
        """
        if path in self._choices:
            return self._choices[path]
        self._tidy(path, slot, assumed)
        value, source = self.lookup((*path, NAME)) or (field.get_default(call_default_factory=True), DEFAULT)
        choice = self._named(path, slot, field, value, source)
        self._choices[path] = choice
        return choice

    def _tidy(self, path: Path, slot: Slot, assumed: Any) -> None:
        """Bring what the layers say of a slot into one form, and drop what is for another selection."""
        for layer in self.layers:
            if path in layer.values and path[-1] != NAME:
                layer.set((*path, NAME), layer.values.pop(path))
            if (*path, NAME) in layer.values:
                value = layer.values[(*path, NAME)]
                if slot.kind == "architectures" and isinstance(value, str) and value.startswith(LOAD):
                    value = self._loaded(path, value, layer)
                if slot.kind == "architectures" and (several := self._several(path, value, layer)) is not None:
                    value = several
                layer.values[(*path, NAME)] = value if _is_list(value) else self.text(value, slot.kind)
        if slot.kind == "suites":
            self._split_tasks(path)
        self._drop_reselected(path, self.known_as(assumed, slot.kind))

    def _loaded(self, path: Path, value: str, layer: Layer) -> str:
        """``load:RUN#part`` is short for the architecture ``load`` with these options."""
        run, _, part = value.removeprefix(LOAD).partition("#")
        layer.values[(*path, "run")] = run
        if part:
            layer.values[(*path, "part")] = part
        return LOAD.removesuffix(":")

    def _split_tasks(self, path: Path) -> None:
        """``suite=dmc:walker_walk`` is ``suite.name=dmc suite.task=walker_walk``; naming a suite alone leaves no task of a lower layer."""
        for layer in self.layers:
            value = layer.values.get((*path, NAME))
            if isinstance(value, str):
                name, task = split_task(value)
                layer.values[(*path, NAME)] = self.known_as(name, "suites")
                layer.values.setdefault((*path, TASK), task or None)

    def _drop_reselected(self, path: Path, assumed: Any, only: Sequence[str] | None = None) -> None:
        """Drop what lower layers said for another selection: everything below `path`, or these keys `only`."""
        current = assumed
        for index, layer in enumerate(self.layers):
            if (*path, NAME) not in layer.values:
                continue
            selected = layer.values[(*path, NAME)]
            if current is not None and selected != current:
                self._drop(path, current, self.layers[:index], only)
            current = selected

    def _drop(self, path: Path, name: Any, layers: Iterable[Layer], only: Sequence[str] | None = None) -> None:
        shorthands: Sequence[str] = ()
        if path == ("agent",):
            try:
                shorthands = parts(self.registry.get("agents", str(name)))
            except UnifiedError:
                shorthands = ()
        for layer in layers:
            for key in list(layer.values):
                own = key[: len(path)] == path and key != (*path, NAME) and (only is None or key[len(path)] in only)
                if own or key[0] in shorthands:
                    del layer.values[key]

    def _named(self, path: Path, slot: Slot, field: FieldInfo, value: Any, source: str) -> Choice:
        nothing = Choice(None, "", None, source, valid=False)
        if isinstance(value, str) and value.strip().lower() in ("null", "none"):
            value = None
        if value is None and takes_none(field):
            return replace(nothing, valid=True)
        if not isinstance(value, str) or not (value.strip() or (self.lookup((*path, TASK)) or (None,))[0]):
            self._complain(path, value, f"must be a name   all: unified plugins list {slot.kind}", source)
            return nothing
        if slot.kind == "architectures" and _is_list(value):
            try:
                values.split(value)
            except ValueError as error:
                self._complain(path, value, str(error), source)
                return nothing
        name, task = value.strip(), None
        if slot.kind == "suites":
            name, task = split_task(name)
            if said := self.lookup((*path, TASK)):
                task, source = (None if said[0] is None else str(said[0])), said[1]
        try:
            found = self.registry.get(slot.kind, name)
        except UsageError as error:
            problem = replace(error.problems[0], source="" if source == DEFAULT else source)
            if slot.kind == "suites" and (meant := meant_suite(self.registry, name, task)):
                problem = replace(problem, hint=meant)
            self.problems.append(problem)
            return nothing
        if isinstance(found, SuiteComponent):
            task = meant_task(task, found)
        choice = Choice(found, self.registry.name_of(found), task or None, source, valid=True)
        if isinstance(found, SuiteComponent) and (wrong := task_problems(shown(choice.name), task or None, found)):
            self.problems += [replace(problem, source=source) for problem in wrong]
            return replace(choice, valid=False)
        return choice

    def select(self, path: Path, slot: Slot, field: FieldInfo) -> tuple[Selection | tuple[Selection, ...] | None, Any]:
        """The selection of a slot, several of a list, with options, and its tree; ``None`` where there is none, or something is wrong."""
        default = field.get_default(call_default_factory=True)
        key = ".".join(path)
        self.known.append(key)
        self.defaults[key] = self.defaults[f"{key}.{NAME}"] = self.known_as(default, slot.kind)
        if slot.kind == "suites":
            self.defaults[f"{key}.{NAME}"], _, self.defaults[f"{key}.{TASK}"] = str(default).partition(":")
            self.known.append(f"{key}.{TASK}")
        if slot.kind == "architectures":
            self._tidy(path, slot, list(default) if isinstance(default, tuple) else default)
            said, source = self.lookup((*path, NAME)) or (default, DEFAULT)
            if isinstance(said, list | tuple) and said:
                return self._select_several(path, slot, field, said, source)
        choice = self.choose(path, slot, field, default if isinstance(default, str) else None)
        if choice.component is None:
            self.sources[key] = choice.source
            for below, source in self.below(path):
                if below[-1] in (NAME, TASK) and len(below) == len(path) + 1:
                    continue
                if choice.valid:
                    name = next(iter(with_option(self.registry, slot.kind, below[len(path) :])), "NAME")
                    hint = f"select first:  {path[-1]}={name} {'.'.join(below[len(path) - 1 :])}=…"
                    self.problems.append(Problem(f"{'.'.join(below)}: {key} is left to the {path[0]}", hint, source))
                else:
                    self.unchecked(below, path)
            return None, None
        self.sources[f"{key}.{NAME}"] = choice.source
        options, tree = self.component_options(choice.component, path)
        if options is None or not choice.valid:
            return None, None
        head = {NAME: choice.name}
        if choice.task:
            head[TASK], self.sources[f"{key}.{TASK}"] = choice.task, choice.source
        return Selection(slot.kind, choice.name, choice.task, choice.component, options), {**head, **tree}

    # Several of them ------------------------------------------------------------------------------------------------------------

    def _several(self, path: Path, value: Any, layer: Layer) -> list[Any] | None:
        """The items of a list of architectures; options that stand within it (``{name: mlp, hidden: 64}``) go below their index."""
        if _is_list(value) and isinstance(value, str):
            with suppress(ValueError):  # told when it is used
                value = values.split(value)
        if not isinstance(value, list | tuple):
            return None
        items = []
        for index, item in enumerate(value):
            if isinstance(item, Mapping) and NAME in item:
                inner = from_tree({key: said for key, said in item.items() if key != NAME}, layer.source)
                layer.values.update({(*path, str(index), *key): said for key, said in inner.values.items()})
                item = item[NAME]
            items.append(self.text(item, "architectures"))
        return items

    def _select_several(
        self, path: Path, slot: Slot, field: FieldInfo, names: Sequence[Any], source: str
    ) -> tuple[tuple[Selection, ...] | None, Any]:
        """The selections of a list, and their tree: the names, and the options of each below its index."""
        key, before = ".".join(path), len(self.problems)
        self.sources[f"{key}.{NAME}"] = source
        selections: list[Selection] = []
        tree: dict[str, Any] = {NAME: []}
        self._check_indices(path, names)
        for index, name in enumerate(names):
            at = (*path, str(index))
            if name is None or str(name).strip().lower() in ("null", "none"):
                self._complain(path, [shown(str(each)) if each is not None else None for each in names], _NO_NULL, source)
                continue
            choice = self._choices[at] = self._named(at, slot, field, name, source)
            if choice.component is None:
                for below, _ in self.below(at):
                    self.unchecked(below, at)
                continue
            options, below_tree = self.component_options(choice.component, at)
            tree[NAME].append(choice.name)
            if below_tree:
                tree[str(index)] = below_tree
            if options is not None:
                selections.append(Selection(slot.kind, choice.name, None, choice.component, options))
        return (None, None) if len(self.problems) > before else (tuple(selections), tree)

    def _check_indices(self, path: Path, names: Sequence[Any]) -> None:
        """Complain of what stands below no element of a list."""
        listed, typed = values.show([shown(str(name)) for name in names]), ".".join(path)
        for key, source in self.below(path):
            element = key[len(path)]
            if not element.isdigit():
                if key != (*path, NAME):
                    self._unknown.append((key, source))
            elif int(element) >= len(names):
                there = f"there is {typed}.0" + (f" to {typed}.{len(names) - 1}" if len(names) > 1 else "")
                self.problems.append(Problem(f"{'.'.join(key)} does not exist: {typed} is {listed}", there, source))
            elif key[len(path) + 1 :] in ((), (NAME,)):
                self.problems.append(Problem(f"{'.'.join(key)} chooses nothing", f"the list does:  {typed}={listed}", source))

    @abstractmethod
    def component_options(self, component: Component, path: Path) -> tuple[Options | None, dict[str, Any]]:
        """The options of a component, which stand below `path`."""


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, str) and value.strip().startswith("["))


def parts(component: Component) -> tuple[str, ...]:
    """Names of the options that choose architectures: what may be typed without ``agent.``."""
    marked = [name for name, field in component.options_model().model_fields.items() if slot_of(field)]
    return tuple(dict.fromkeys([*getattr(component, "parts", ()), *marked]))
