"""Calls the lifecycle hooks of a run's agent, objectives, suite and callbacks."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from unified.core.base.errors import PluginFailed, Problem, UnifiedError, UsageError, one_line
from unified.core.base.suggest import did_you_mean
from unified.core.components.filters import TRACE_VARIABLE
from unified.core.components.hookspecs import LIFECYCLE, PROJECT, Callback

#: Failures of one hook in a row after which a callback is left out.
MAX_FAILURES = 3
#: Beginnings of the names of hooks: a method of a callback that begins like this and is no hook is a typing mistake.
_PREFIXES = ("on_", "before_", "after_", "checkpoint_")


@dataclass(frozen=True)
class Participant:
    """An object of a run that may have lifecycle hooks.

    Args:
        name: Kind and name: ``"callback curve"``.
        plugin: The object.
        critical: Whether its failure ends the run: agents, objectives, suites, and callbacks with ``critical = True``.
    """

    name: str
    plugin: Any
    critical: bool = False

    @classmethod
    def of_callback(cls, name: str, callback: Any) -> Participant:
        """The participant of a callback.

        Args:
            name: Name of the selected component.
            callback: The callback; its attribute ``critical`` says whether its failure ends the run.
        """
        return cls(f"callback {name}", callback, critical=bool(getattr(callback, "critical", False)))


@dataclass(frozen=True)
class _Hook:
    """One hook of one participant; `arguments` are those that it takes."""

    owner: str
    critical: bool
    function: Callable[..., Any]
    arguments: tuple[str, ...]


class CallbackList:
    """Calls the lifecycle hooks of participants in the order of the list; `teardown` in the reverse order.

    An exception of a callback is reported; after three failures of one hook in a row the callback is left out for the rest of the run. An
    exception of a critical participant ends the run (`PluginFailed`), and so does a `UnifiedError` of any participant. `teardown` is
    called on all participants, whatever others raise.

    Args:
        participants: Agent, objectives, suite, then the callbacks in their order.
        report: Called with the name of a callback and a line about its failure.

    Attributes:
        ended_by: Name of the participant that ended the run; empty if none did.

    Raises:
        UsageError: If a hook does not exist, takes an argument that does not exist, or is a wrapper.
    """

    def __init__(self, participants: Iterable[Participant], report: Callable[[str, str], None]) -> None:
        self._report = report
        self._failures: dict[tuple[str, str], int] = {}  # (participant, hook) -> failures in a row
        self._hooks: dict[str, list[_Hook]] = {hook: [] for hook in LIFECYCLE}
        self._trace = bool(os.environ.get(TRACE_VARIABLE))
        self.ended_by = ""
        names: list[str] = []
        for participant in participants:
            if functions := dict(_implementations(participant)):
                same = names.count(participant.name)
                names.append(participant.name)
                owner = f"{participant.name} #{same + 1}" if same else participant.name
                for hook, function in functions.items():
                    arguments = _arguments(participant.name, hook, function)
                    self._hooks[hook].append(_Hook(owner, participant.critical, function, arguments))
        self._hooks["teardown"].reverse()  # the participant that was set up first ends last

    def has(self, hook: str) -> bool:
        """Whether a participant implements a hook."""
        return bool(self._hooks[hook])

    def call(self, hook: str, *, only: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call one hook of every participant, or only of the one named `only`.

        Returns:
            Results by name, without those that are ``None``.

        Raises:
            UnifiedError: If a participant raised it, or a critical one failed (`PluginFailed`).
        """
        results: dict[str, Any] = {}
        if not (hooks := self._hooks[hook]):
            return results
        ended: UnifiedError | None = None
        for each in hooks:
            if only not in (None, each.owner):
                continue
            try:
                result = self._timed(hook, each, arguments) if self._trace else _called(each, arguments)
            except UnifiedError as error:
                ended = ended or error
            except Exception as error:
                if each.critical:
                    ended = ended or PluginFailed.by(each.owner, f"in {hook}", error)
                else:
                    self._count_failure(each.owner, hook, error)
            else:
                if self._failures:
                    self._failures.pop((each.owner, hook), None)
                if result is not None:
                    results[each.owner] = result
            if ended is not None and hook != "teardown":
                self.ended_by = each.owner
                break
        if ended is not None:
            raise ended
        return results

    def _count_failure(self, owner: str, hook: str, error: Exception) -> None:
        failures = self._failures[owner, hook] = self._failures.get((owner, hook), 0) + 1
        text = f"{owner} failed in {hook}: {one_line(error)}"
        if failures == MAX_FAILURES:
            self._hooks = {name: [each for each in hooks if each.owner != owner] for name, hooks in self._hooks.items()}
            text += f"; left out from here on, after {MAX_FAILURES} failures in a row"
        self._report(owner, text)

    def _timed(self, hook: str, each: _Hook, arguments: dict[str, Any]) -> Any:
        start = time.perf_counter()
        try:
            return _called(each, arguments)
        finally:
            print(f"hook  {hook:<18} {each.owner:<24} {1000 * (time.perf_counter() - start):8.3f} ms", file=sys.stderr)


def implemented(participants: Iterable[Participant], hook: str) -> bool:
    """Whether one of the participants implements a hook."""
    return any(name == hook for participant in participants for name, _ in _implementations(participant))


def _called(each: _Hook, arguments: dict[str, Any]) -> Any:
    return each.function(**{name: arguments[name] for name in each.arguments})


def _implementations(participant: Participant) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Hooks of a participant: methods marked with ``@hookimpl``, and methods that a subclass of `Callback` overrides.

    Attributes are looked up in the classes, so that no property is evaluated.
    """
    plugin = participant.plugin
    holders = [plugin] if isinstance(plugin, type) else [plugin, *type(plugin).__mro__]
    seen: set[str] = set()
    for holder in holders:
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            mark = getattr(value, f"{PROJECT}_impl", None)
            overrides = isinstance(plugin, Callback) and holder not in (Callback, object) and inspect.isroutine(value)
            if name in seen or not (mark is not None or (overrides and (name in LIFECYCLE or name.startswith(_PREFIXES)))):
                continue
            seen.add(name)
            if name not in LIFECYCLE:
                hint = did_you_mean(name, LIFECYCLE) or "all: unified plugins hooks"
                raise UsageError(Problem(f"{participant.name}: there is no hook {name!r}", hint))
            if mark is not None and (mark.get("wrapper") or mark.get("hookwrapper")):
                raise UsageError(Problem(f"{participant.name}: {name} is marked as a wrapper; lifecycle hooks have no wrappers"))
            yield name, getattr(plugin, name)


def _arguments(owner: str, hook: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments that a hook takes; all of them if it takes ``**kwargs``."""
    known = tuple(name for name in inspect.signature(getattr(Callback, hook)).parameters if name != "self")
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return known
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY or (parameter.name not in known and parameter.default is parameter.empty):
            hint = did_you_mean(parameter.name, known) or f"its arguments are {', '.join(known)}"
            raise UsageError(Problem(f"{owner}: {hook} has no argument {parameter.name!r}", hint))
    return tuple(parameter.name for parameter in parameters if parameter.name in known)
