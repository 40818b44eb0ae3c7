"""Checks layers of values against the options of what they select, and gathers everything that is wrong. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from unified.core.components import Component, SuiteComponent
from unified.core.config import values
from unified.core.config.overrides import DEFAULT, Layer, Path, dotted
from unified.core.config.schema import TASK, Selection, Slot, slot_of, takes_none
from unified.core.config.tasks import meant_suite, task_problems
from unified.core.config.unknown import guesses, instead, with_option
from unified.core.errors import Problem, UnifiedError, UsageError
from unified.core.options import NAME, Options
from unified.core.registry import Registry


@dataclass(frozen=True)
class Choice:
    """What a slot holds before its options are checked. Without a component nothing was selected, or what does not exist."""

    component: Component | None
    name: str
    task: str | None
    source: str
    valid: bool


class Resolver:
    """Layers, lowest first, and what is found out about them.

    Args:
        registry: Where names are looked up.
        layers: They are changed: what a re-selected slot drops is removed.
    """

    def __init__(self, registry: Registry, layers: list[Layer]) -> None:
        self.registry, self.layers = registry, layers
        self.problems: list[Problem] = []
        self.sources: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        self.known: list[str] = []
        self._unknown: list[tuple[Path, str]] = []
        self._unchecked: list[Problem] = []
        self._choices: dict[Path, Choice] = {}

    # Layers ---------------------------------------------------------------------------------------------------------------------

    def lookup(self, path: Path) -> tuple[Any, str] | None:
        """The value of the highest layer that has one, and its source."""
        return next(((layer.values[path], layer.place(path)) for layer in reversed(self.layers) if path in layer.values), None)

    def below(self, path: Path) -> list[tuple[Path, str]]:
        """Keys strictly below a path, with the source of each."""
        found = {
            key: layer.place(key) for layer in self.layers for key in layer.values if key[: len(path)] == path and len(key) > len(path)
        }
        return list(found.items())

    def origin(self, place: str) -> str:
        """The source of a place: a place without its line."""
        return next((layer.source for layer in self.layers if place.startswith(f"{layer.source}, line ")), place)

    def listed(self, path: Path, default: Sequence[str] = ()) -> tuple[list[str], str]:
        """A list of names; a layer that says only ``+name`` adds to the layers below it."""
        items, source = list(default), DEFAULT
        for layer in self.layers:
            if path not in layer.values:
                continue
            try:
                said = values.names(layer.values[path])
            except ValueError as error:
                self._complain(path, layer.values[path], str(error), layer.place(path))
                continue
            adds = bool(said) and all(item.startswith("+") for item in said)
            items = list(dict.fromkeys([*items, *said] if adds else said))
            source = layer.place(path)
        return items, source

    # Slots ----------------------------------------------------------------------------------------------------------------------

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
        default = field.get_default(call_default_factory=True)
        for layer in self.layers:
            if path in layer.values and path[-1] != NAME:
                layer.set((*path, NAME), layer.values.pop(path))
        if slot.kind == "suites":
            self._split_tasks(path)
        self._drop_reselected(path, assumed)
        value, source = self.lookup((*path, NAME)) or (default, DEFAULT)
        choice = self._named(path, slot, field, value, source)
        self._choices[path] = choice
        return choice

    def _split_tasks(self, path: Path) -> None:
        """``suite=dmc:walker_walk`` is ``suite.name=dmc suite.task=walker_walk``; naming a suite alone leaves no task of a lower layer."""
        for layer in self.layers:
            value = layer.values.get((*path, NAME))
            if isinstance(value, str):
                name, _, task = (part.strip() for part in value.partition(":"))
                layer.values[(*path, NAME)] = name
                layer.values.setdefault((*path, TASK), task or None)

    def _drop_reselected(self, path: Path, assumed: str | None) -> None:
        current = assumed
        for index, layer in enumerate(self.layers):
            if (*path, NAME) not in layer.values:
                continue
            selected = str(layer.values[(*path, NAME)]).partition(":")[0]
            if current is not None and selected != current:
                self._drop(path, current, self.layers[:index])
            current = selected

    def _drop(self, path: Path, name: str, layers: Iterable[Layer]) -> None:
        shorthands: Sequence[str] = ()
        if path == ("agent",):
            try:
                shorthands = parts(self.registry.get("agents", name))
            except UnifiedError:
                shorthands = ()
        for layer in layers:
            for key in list(layer.values):
                own = key[: len(path)] == path and key != (*path, NAME)
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
        name, task = value.strip(), None
        if slot.kind == "suites":
            name, _, task = (part.strip() for part in name.partition(":"))
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
        choice = Choice(found, self.registry.name_of(found), task or None, source, valid=True)
        if isinstance(found, SuiteComponent) and (wrong := task_problems(choice.name, task or None, found)):
            self.problems += [replace(problem, source=source) for problem in wrong]
            return replace(choice, valid=False)
        return choice

    def select(self, path: Path, slot: Slot, field: FieldInfo) -> tuple[Selection | None, Any]:
        """The selection of a slot with its options, and its tree; ``None`` where there is none, or something is wrong."""
        default = field.get_default(call_default_factory=True)
        key = ".".join(path)
        self.known.append(key)
        self.defaults[key] = self.defaults[f"{key}.{NAME}"] = default
        if slot.kind == "suites":
            self.defaults[f"{key}.{NAME}"], _, self.defaults[f"{key}.{TASK}"] = str(default).partition(":")
            self.known.append(f"{key}.{TASK}")
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

    def component_options(self, component: Component, path: Path) -> tuple[Options | None, dict[str, Any]]:
        """The options of a component, which stand below `path`."""
        try:
            model = component.options_model()
        except UnifiedError as error:
            self.problems += error.problems
            for below, _ in self.below(path):
                if below != (*path, NAME):
                    self._unchecked.append(Problem(f"{'.'.join(below)} was not checked, since the options of {component} cannot be loaded"))
            return None, {}
        return self.options(model, path)

    # Options --------------------------------------------------------------------------------------------------------------------

    def options(self, model: type[Options], path: Path, skip: Sequence[str] = ()) -> tuple[Options | None, dict[str, Any]]:
        """An instance of `model` with what the layers say below `path`, and its tree; ``None`` where something is wrong.

        Args:
            model: Whose fields are the keys.
            path: Of the group or component.
            skip: Keys that somebody else checks.
        """
        before = len(self.problems)
        given: dict[str, Any] = {}
        tree: dict[str, Any] = {}
        plain = []
        for name, field in model.model_fields.items():
            at = (*path, name)
            if slot := slot_of(field):
                given[name], tree[name] = self.select(at, slot, field)
            elif group := _group(field):
                given[name], tree[name] = self._options_of_group(group, at)
            else:
                plain.append(name)
                tree[name] = None  # keeps the order
                self.known.append(".".join(at))
                self._read(at, field, given)
        own = {NAME, TASK} if path == ("suite",) else {NAME} if path in self._choices or path[:1] == ("with",) else set()
        self._find_unknown(path, {*model.model_fields, *skip, *own})
        self._unknown += [(key, source) for key, source in self.below(path) if key[len(path)] in own and len(key) > len(path) + 1]
        if len(self.problems) > before:
            self._validate(model, path, {name: value for name, value in given.items() if name in plain}, quietly=True)
            return None, {}
        instance = self._validate(model, path, given)
        if instance is None:
            return None, {}
        tree |= instance.model_dump(mode="json", include=set(plain))
        defaults = model.model_construct().model_dump(mode="json", include=set(plain), warnings=False)
        for name in plain:
            key = ".".join((*path, name))
            source = self._source((*path, name))
            for leaf in _leaf_keys(key, tree[name]):
                self.sources[leaf] = source
            self.defaults[key] = defaults.get(name)
        return instance, tree

    def _options_of_group(self, model: type[Options], path: Path) -> tuple[Options | None, dict[str, Any]]:
        exact = self.lookup(path)
        if exact is not None:
            keys = ", ".join(".".join((*path, name)) for name in model.model_fields)
            self._complain(path, exact[0], f"{'.'.join(path)} is a group of options   it has {keys}", exact[1])
        return self.options(model, path)

    def _read(self, path: Path, field: FieldInfo, given: dict[str, Any]) -> None:
        """Read the value of a plain field into `given`."""
        if path == ("objective",):
            given[path[-1]] = self.listed(path)[0]
            return
        if values.takes_mapping(field.annotation) and self.below(path):
            given[path[-1]] = self._mapping(path)
            return
        self._unknown += [(key, source) for key, source in self.below(path)]
        said = self.lookup(path)
        if said is None:
            return
        try:
            given[path[-1]] = values.read(said[0], field.annotation)
        except ValueError as error:
            self._complain(path, said[0], str(error), said[1])

    def _mapping(self, path: Path) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for layer in self.layers:
            if isinstance(layer.values.get(path), Mapping):
                built = dict(layer.values[path])
            for key, value in layer.values.items():
                if key[: len(path)] == path and len(key) > len(path):
                    inner = built
                    for part in key[len(path) : -1]:
                        inner = inner.setdefault(part, {})
                    inner[key[-1]] = values.read(value, Any)
        return built

    def _validate(self, model: type[Options], path: Path, given: dict[str, Any], quietly: bool = False) -> Options | None:
        try:
            return model.model_validate(given)
        except ValidationError as errors:
            for error in errors.errors(include_url=False):
                if not error["loc"]:
                    if not quietly:
                        self.problems.append(Problem(values.complaint(error), "", self._source(path)))
                    continue
                at = (*path, str(error["loc"][0]))
                if error["type"] == "missing" and len(error["loc"]) == 1:
                    if not quietly:
                        self.problems.append(Problem(f"{'.'.join(at)} has no default: it must be given", f"{'.'.join(at)}=…"))
                    continue
                value, source = self.lookup(at) or (error["input"], DEFAULT)
                self._complain(at, value, values.complaint(error), source)
            return None

    def _source(self, path: Path) -> str:
        """Of a value, or of the highest layer that says something below it."""
        said = self.lookup(path)
        if said is not None:
            return said[1]
        return next((layer.source for layer in reversed(self.layers) if any(key[: len(path)] == path for key in layer.values)), DEFAULT)

    # Problems -------------------------------------------------------------------------------------------------------------------

    def _complain(self, path: Path, value: Any, message: str, source: str) -> None:
        message, _, hint = message.partition("   ")
        problem = Problem(f"{dotted(path)}={values.show(value)}: {message}", hint, "" if source == DEFAULT else source)
        if problem not in self.problems:
            self.problems.append(problem)

    def _find_unknown(self, path: Path, keys: set[str]) -> None:
        self._unknown += [(key, source) for key, source in self.below(path) if key[len(path)] not in keys]

    def unchecked(self, key: Path, slot: Path) -> None:
        """Note that a key could not be checked, since what the slot selects does not exist."""
        what = f"the {slot[0]}" if len(slot) == 1 else ".".join(slot)
        self._unchecked.append(Problem(f"{'.'.join(key)} was not checked, since {what} is unknown"))

    def report(self) -> list[Problem]:
        """Everything that is wrong, what is unknown after what is wrong and what was not checked last."""
        agent = self._choices.get(("agent",))
        for key, source in self._unknown:
            text = dotted(key)
            of_a_part = agent is not None and agent.component is None and key[0] not in {name.partition(".")[0] for name in self.known}
            if len(key) > 1 and key[-1] == NAME and text in self.known:
                self.problems.append(Problem(f"{'.'.join(key)} does not exist: {text} is a value", f"{text}=…", source))
            elif of_a_part and not guesses(key, self.known):
                self.unchecked(key, ("agent",))
            else:
                hint = instead(key, self.known, self._choices, self.registry)
                self.problems.append(Problem(f"{text} does not exist", hint, source))
        return [*dict.fromkeys(self.problems), *dict.fromkeys(self._unchecked)]


def parts(component: Component) -> tuple[str, ...]:
    """Names of the options that choose architectures: what may be typed without ``agent.``."""
    marked = [name for name, field in component.options_model().model_fields.items() if slot_of(field)]
    return tuple(dict.fromkeys([*getattr(component, "parts", ()), *marked]))


def _group(field: FieldInfo) -> type[Options] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) and issubclass(kind, Options) else None


def _leaf_keys(key: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for name, inner in value.items() for leaf in _leaf_keys(f"{key}.{name}", inner)]
    return [key]
