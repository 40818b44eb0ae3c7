"""Layers of values, what is found in them, and everything that is wrong with it. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from unified.core.config import values
from unified.core.config.overrides import DEFAULT, Layer, Path, dotted
from unified.core.config.schema import Choice
from unified.core.config.unknown import guesses, instead
from unified.core.errors import Problem, UsageError
from unified.core.objects import Names
from unified.core.options import NAME
from unified.core.references import canonical, is_reference, shown
from unified.core.registry import Registry


class Layered:
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
        self._names = Names()

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

    def listed(self, path: Path, kind: str, default: Sequence[str] = (), mixed: bool = False) -> tuple[list[str], str, int]:
        """A list of names of a kind; a layer that says only ``+name`` adds to the layers below it.

        Args:
            path: Of the list.
            kind: Of what it names.
            default: What it holds below all layers.
            mixed: Whether names with and without a plus may stand in one list.

        Returns:
            The names, their source, and the index of the highest layer that does not only add: the lists below it do not count.
        """
        items, source, start = list(default), DEFAULT, 0
        for index, layer in enumerate(self.layers):
            if path not in layer.values:
                continue
            try:
                said = [self._kept(name, kind) for name in values.names(self._said(layer.values[path], kind))]
            except ValueError as error:
                self._complain(path, layer.values[path], str(error), layer.place(path))
                continue
            added = [item.startswith("+") for item in said]
            if any(added) and not all(added) and not mixed:
                bare = [shown(item.removeprefix("+")) for item in said]
                key = dotted(path)
                hint = f"to add all of it:  {key}={values.show([f'+{name}' for name in bare])}   for this alone:  {key}={values.show(bare)}"
                signed = [f"{'+' * plus}{name}" for plus, name in zip(added, bare, strict=True)]
                self._complain(path, signed, f"some have a plus and some have none   {hint}", layer.place(path))
                continue
            adds = bool(said) and all(added)
            items = list(dict.fromkeys([*items, *said] if adds else said))
            source, start = layer.place(path), start if adds else index
        return items, source, start

    def _source(self, path: Path) -> str:
        """Of a value, or of the highest layer that says something below it."""
        said = self.lookup(path)
        if said is not None:
            return said[1]
        return next((layer.source for layer in reversed(self.layers) if any(key[: len(path)] == path for key in layer.values)), DEFAULT)

    def text(self, value: Any, kind: str) -> Any:
        """A Python object by its name, a reference as it is kept, a registered name in its shortest form; whatever else as it is."""
        if isinstance(value, str):
            return self.known_as(canonical(value.strip()), kind)
        if value is None or isinstance(value, bool | int | float | bytes | list | tuple | Mapping | PurePath):
            return value
        return self._names.name(value, self.registry.all(kind))

    def _said(self, value: Any, kind: str) -> Any:
        """A list in which objects are called by their names; a ``"+"`` of its own goes with what follows it."""
        if isinstance(value, str):
            return value
        if not isinstance(value, list | tuple):
            return self.text(value, kind)
        items: list[Any] = []
        plus = ""
        for item in value:
            if item == "+":
                plus = "+"
                continue
            text = item if isinstance(item, str) else self.text(item, kind)
            items.append(f"{plus}{text.removeprefix(plus)}" if isinstance(text, str) else text)
            plus = ""
        return items

    def _kept(self, name: str, kind: str) -> str:
        plus = "+" if name.strip().startswith("+") else ""
        return plus + str(self.text(name.strip().removeprefix("+"), kind))

    def known_as(self, name: Any, kind: str) -> Any:
        """A registered name in its shortest form, so that ``core/drqv2`` is ``drqv2``; each of a list, and whatever else as it is."""
        if isinstance(name, list | tuple):
            return [self.known_as(each, kind) for each in name]
        if isinstance(name, str) and not is_reference(name):
            with suppress(UsageError):  # told where it is used
                return self.registry.name_of(self.registry.get(kind, name))
        return name

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
