"""Completion of ``KEY=VALUE`` words: keys of the selected components and their values. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from unified.cli.completion.candidates import Candidate, behind, fitting, listed, names
from unified.core.base.errors import UnifiedError
from unified.core.components.options import Options
from unified.core.config import recipes as recipe_files
from unified.core.config import values
from unified.core.config.choose import Chooser
from unified.core.config.describe import type_of
from unified.core.config.layers import Layer, from_words
from unified.core.config.schema import LISTS, Path, RunOptions, parts, slot_of, takes_none
from unified.core.registry import registry


@dataclass(frozen=True)
class Key:
    """A key of the configuration.

    Args:
        path: Its path.
        help: Type and description.
        field: Its field; ``None`` for the list of callbacks.
    """

    path: Path
    help: str
    field: FieldInfo | None = None

    @property
    def text(self) -> str:
        return ".".join(self.path)


def complete(typed: str, words: Sequence[str], recipes: Sequence[str]) -> list[Candidate]:
    """Completions of a word.

    Args:
        typed: The typed part of the word.
        words: The other ``key=value`` words of the line, which select components.
        recipes: The recipes of the line.
    """
    keys = list(_keys(_selected(words, recipes)))
    name, equals, value = typed.partition("=")
    if not equals:
        return _levels(keys, typed)
    found = next((key for key in keys if key.text == name.removeprefix("--")), None)
    return [] if found is None else behind(f"{name}=", _values(found, value))


def _levels(keys: Iterable[Key], typed: str) -> list[Candidate]:
    """Keys up to the next dot: ``tr`` completes to ``train.``, not to all keys below it."""
    found: dict[str, Candidate] = {}
    for key in keys:
        if not key.text.startswith(typed):
            continue
        level, dot, _ = key.text[len(typed) :].partition(".")
        value = f"{typed}{level}." if dot else f"{key.text}="
        found.setdefault(value, Candidate(value, "" if dot else key.help))
    return list(found.values())


def _values(key: Key, typed: str) -> list[Candidate]:
    field = key.field
    if field is None:
        return listed(LISTS[key.path[0]].kind, typed)
    nothing = [Candidate("null", "none")] if takes_none(field) else []
    if slot := slot_of(field):
        found = listed(slot.kind, typed) if typed.startswith("[") else names(slot.kind, typed, key.text)
        return [*found, *fitting(nothing, typed)]
    choices = [_plain(choice) for kind in values.members(field.annotation) for choice in _choices(kind)]
    return fitting([*choices, *nothing], typed) if choices else []


def _choices(kind: Any) -> Sequence[Any]:
    return (True, False) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()


def _plain(choice: Any) -> Candidate:
    return Candidate(values.show(choice))


# Keys -----------------------------------------------------------------------------------------------------------------------


def _selected(words: Sequence[str], recipes: Sequence[str]) -> Chooser:
    """The components that the line selects; errors are reported when it is executed."""
    names_known = registry().without_references()
    layers: list[Layer] = []
    for recipe in recipes:
        try:
            layers += recipe_files.load(recipe, names_known)
        except UnifiedError:
            continue
    return Chooser(names_known, [*layers, from_words(words, [], names_known)])


def _keys(selected: Chooser) -> Iterator[Key]:
    agent = selected.agent_and_suite()[0].component
    short = _parts(agent)
    everything = [*_below(RunOptions.model_fields.items(), (), selected), *_lists(selected)]
    yield from everything
    for key in everything:  # ``encoder.depth`` is short for ``agent.encoder.depth``
        if key.path[0] == "agent" and key.path[1:2] and key.path[1] in short:
            yield Key(key.path[1:], key.help, key.field)


def _parts(agent: Any) -> tuple[str, ...]:
    try:
        return parts(agent) if agent is not None else ()
    except UnifiedError:
        return ()


def _below(fields: Iterable[tuple[str, FieldInfo]], path: Path, selected: Chooser) -> Iterator[Key]:
    for name, field in fields:
        at = (*path, name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Options):
            if short := kind.model_fields.get(kind.short_for):
                yield Key(at, f"{type_of(short)}: {' '.join((short.description or '').split())}", short)
            yield from _below(kind.model_fields.items(), at, selected)
            continue
        yield Key(at, f"{type_of(field)}: {' '.join((field.description or '').split())}", field)
        if slot := slot_of(field):
            selections = selected.tree.at(at).selections
            several = _several(selections[-1].value) if selections else []
            for index, each in enumerate(several):
                yield from _below(_fields(_component(slot.kind, each)), (*at, str(index)), selected)
            if not several:
                yield from _below(_fields(selected.choose(at, field).component), at, selected)


def _several(value: Any) -> list[str]:
    return [] if isinstance(value, str) and not value.startswith("[") else _names(value)


def _lists(selected: Chooser) -> Iterator[Key]:
    for key, list_ in LISTS.items():
        yield Key((key,), list_.help)
        names = [name for value in selected.tree.at((key,)).selections for name in _names(value.value)]
        replaced = any(not name.startswith("+") for name in names)
        for name in dict.fromkeys([*(() if replaced else list_.default), *(name.removeprefix("+") for name in names)]):
            yield from _below(_fields(_component(list_.kind, name)), (key, name), selected)


def _names(value: Any) -> list[str]:
    try:
        return values.names(value)
    except ValueError:
        return []


def _component(kind: str, name: str) -> Any:
    try:
        return registry().without_references().get(kind, name)
    except UnifiedError:
        return None


def _fields(component: Any) -> list[tuple[str, FieldInfo]]:
    """The options of a component; none if it cannot be loaded."""
    try:
        return list(component.options_model().model_fields.items()) if component is not None else []
    except UnifiedError:
        return []
