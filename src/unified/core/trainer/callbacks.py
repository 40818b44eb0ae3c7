"""The hooks of one run: only what the run selected is called, and an observer that fails never spoils the run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pluggy

from unified.core.base.errors import PluginFailed, Problem, UnifiedError, UsageError, one_line
from unified.core.base.suggest import did_you_mean
from unified.core.components.filters import TRACE_VARIABLE
from unified.core.components.hookspecs import LIFECYCLE, PROJECT, Lifecycle

_STRIKES = 3


@dataclass(frozen=True)
class Participant:
    """An object of the run that may have lifecycle hooks.

    Args:
        name: What it is and what it is called: ``"callback curve"``.
        plugin: The object.
        control: Whether the run cannot go on without it: agents, objectives, suites, and callbacks whose class says ``control = True``
            (one that chooses the goals of episodes, for example). Any other callback observes.
    """

    name: str
    plugin: Any
    control: bool = False

    @classmethod
    def of_callback(cls, name: str, callback: Any) -> Participant:
        """A callback under the name that it was selected by."""
        return cls(f"callback {name}", callback, control=bool(getattr(callback, "control", False)))


class CallbackList:
    """Calls the lifecycle hooks of a run's participants, in the order in which they are listed; `teardown` in the reverse order.

    An observer that raises is reported; after three times it is left out for the rest of the run. What controls the run ends it
    (`PluginFailed`), and anybody ends it with a `UnifiedError`: on purpose, or for a reason that a person can mend. `teardown` is called
    on all, whatever others raise.

    Args:
        participants: Agent, objectives, suite, then the callbacks as they were listed.
        report: Called with the name of the observer and what happened.
    """

    def __init__(self, participants: Iterable[Participant], report: Callable[[str, str], None]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Lifecycle)
        self._report = report
        self._strikes: dict[str, int] = {}
        self._control: set[str] = set()
        order: list[str] = []
        #: Who ended the run, once somebody did.
        self.ended_by = ""
        for participant in participants:
            if implementations := _implementations(participant):
                same = sum(name.partition(" #")[0] == participant.name for name in order)
                name = f"{participant.name} #{same + 1}" if same else participant.name
                order.append(name)
                self._manager.register(SimpleNamespace(**implementations), name)
                if participant.control:
                    self._control.add(name)
        self._calls = {
            hook: [(impl.plugin_name, impl.function, impl.argnames) for impl in getattr(self._manager.hook, hook).get_hookimpls()]
            for hook in LIFECYCLE
        }
        for hook, calls in self._calls.items():
            # The last ones set up are the first to end, so that who was there first has the last word.
            calls.sort(key=lambda call: order.index(call[0]), reverse=hook == "teardown")
        if os.environ.get(TRACE_VARIABLE):
            self._calls = {
                hook: [(name, _traced(hook, name, f), wanted) for name, f, wanted in calls] for hook, calls in self._calls.items()
            }

    def call(self, hook: str, *, only: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call one hook of every participant, or of the one named `only`; returns their answers by name, those that are ``None`` left out.

        Raises:
            PluginFailed: If one that controls the run raised.
        """
        answers: dict[str, Any] = {}
        ended: UnifiedError | None = None
        for name, function, wanted in self._calls[hook]:
            if self._strikes.get(name, 0) >= _STRIKES or only not in (None, name):
                continue
            try:
                answer = function(*(arguments[argument] for argument in wanted))
            except UnifiedError as error:
                ended = ended or error
            except Exception as error:
                if name in self._control:
                    ended = ended or PluginFailed.by(name, f"in {hook}", error)
                else:
                    self._strike(name, hook, error)
            else:
                if answer is not None:
                    answers[name] = answer
            if ended is not None and hook != "teardown":
                self.ended_by = name
                break
        if ended is not None:
            raise ended
        return answers

    def _strike(self, name: str, hook: str, error: Exception) -> None:
        self._strikes[name] = self._strikes.get(name, 0) + 1
        text = f"{name} failed in {hook}: {one_line(error)}"
        if self._strikes[name] == _STRIKES:
            text += f"; left out from here on, after {_STRIKES} failures"
        self._report(name, text)


def _implementations(participant: Participant) -> dict[str, Any]:
    """Its marked methods, by the hook they answer.

    Raises:
        UsageError: If one is marked that answers no hook: a mistyped name would never be called.
    """
    plugin = participant.plugin
    found: dict[str, Any] = {}
    for holder in (plugin, *(type(plugin).__mro__ if not isinstance(plugin, type) else ())):
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            mark = getattr(value, f"{PROJECT}_impl", None)
            if mark is None or name in found:
                continue
            if name not in LIFECYCLE:
                raise UsageError(
                    Problem(f"{participant.name}: there is no hook {name!r}", did_you_mean(name, LIFECYCLE) or "all: unified plugins hooks")
                )
            if mark.get("wrapper") or mark.get("hookwrapper"):
                raise UsageError(Problem(f"{participant.name}: {name} is marked as a wrapper, and hooks of a run are not wrapped"))
            found[name] = getattr(plugin, name)
    return found


def _traced(hook: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            print(f"hook  {hook:<18} {name:<24} {1000 * (time.perf_counter() - start):8.3f} ms", file=sys.stderr)

    return call
