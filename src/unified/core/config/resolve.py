"""Checks layers of values against the options of what they select, and gathers everything that is wrong. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from unified.core.components import Component
from unified.core.config import values
from unified.core.config.overrides import DEFAULT, Path
from unified.core.config.schema import LISTS, TASK, group_of, groups_of, slot_of
from unified.core.config.slots import Slots
from unified.core.errors import Problem, UnifiedError
from unified.core.options import NAME, Options
from unified.core.references import canonical


class Resolver(Slots):
    """Layers and the options that they set."""

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
            elif group := group_of(field.annotation):
                given[name], tree[name] = self._options_of_group(group, at)
            elif group := groups_of(field.annotation):
                given[name], tree[name] = self._options_by_name(group, at)
            else:
                plain.append(name)
                tree[name] = None  # keeps the order
                self.known.append(".".join(at))
                self._read(at, field, given)
        own = {NAME, TASK} if path == ("suite",) else {NAME} if path in self._choices or (path and path[0] in LISTS) else set()
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
        if model.selects:
            self._choose_in_group(model, path)
        exact = self.lookup(path)
        if exact is not None:
            keys = ", ".join(".".join((*path, name)) for name in model.model_fields)
            self._complain(path, exact[0], f"{'.'.join(path)} is a group of options   it has {keys}", exact[1])
        return self.options(model, path)

    def _choose_in_group(self, model: type[Options], path: Path) -> None:
        """The same for a group that says what is selected as for a slot: short for its `name`, and what is for another one is dropped."""
        for layer in self.layers:
            if path in layer.values:
                layer.set((*path, NAME), layer.values.pop(path))
            said = layer.values.get((*path, NAME))
            if isinstance(said, str | type):
                layer.values[(*path, NAME)] = canonical(said.strip()) if isinstance(said, str) else self._names.name(said)
        self._drop_reselected(path, model.model_fields[NAME].default, model.selects)
        self.known.append(".".join(path))

    def _options_by_name(self, model: type[Options], path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """A group of options for each name that stands below `path`: ``agent.optimizer.parts.encoder.lr``."""
        key = ".".join(path)
        if (exact := self.lookup(path)) is not None:
            self._complain(path, exact[0], f"options stand below a name   {key}.NAME.{next(iter(model.model_fields))}=…", exact[1])
        names = dict.fromkeys(below[len(path)] for below, _ in self.below(path))
        if not names:
            self.sources[key], self.defaults[key] = DEFAULT, {}
        found = {name: self._options_of_group(model, (*path, name)) for name in names}
        return {name: made for name, (made, _) in found.items()}, {name: tree for name, (_, tree) in found.items()}

    def _read(self, path: Path, field: FieldInfo, given: dict[str, Any]) -> None:
        """Read the value of a plain field into `given`."""
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


def _leaf_keys(key: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for name, inner in value.items() for leaf in _leaf_keys(f"{key}.{name}", inner)]
    return [key]
