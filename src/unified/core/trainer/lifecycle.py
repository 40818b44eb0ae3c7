"""The hooks of one run: only what the run selected is called, and an observer that fails never spoils the run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from unified.core.errors import UnifiedError
from unified.core.hookspecs import PROJECT, Lifecycle

_STRIKES = 3


class Hooks:
    """Calls the lifecycle hooks of a run's plugins, in the order in which they were listed.

    A plugin that raises is reported; after three times it is left out for the rest of the run. Errors that a person can mend
    (`UnifiedError`) end the run.

    Args:
        plugins: Name and object of each callback.
        report: Called with the name of the plugin and what happened.
    """

    def __init__(self, plugins: Iterable[tuple[str, Any]], report: Callable[[str, str], None]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Lifecycle)
        self._report = report
        self._strikes: dict[str, int] = {}
        for name, plugin in plugins:
            self._manager.register(plugin, name)
        self._manager.check_pending()
        self._calls = {
            name: [(impl.plugin_name, impl.function, impl.argnames) for impl in getattr(self._manager.hook, name).get_hookimpls()]
            for name in vars(Lifecycle)
            if not name.startswith("_")
        }
        order = [name for name, _ in self._manager.list_name_plugin()]
        for hook, calls in self._calls.items():
            # The last ones set up are the first to end, so that who was there first has the last word.
            calls.sort(key=lambda call: order.index(call[0]), reverse=hook == "teardown")

    def call(self, hook: str, *, only: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call one hook of every plugin, or of the one named `only`; returns their answers by name, those that are ``None`` left out."""
        answers: dict[str, Any] = {}
        for name, function, wanted in self._calls[hook]:
            if self._strikes.get(name, 0) >= _STRIKES or only not in (None, name):
                continue
            try:
                answer = function(*(arguments[argument] for argument in wanted))
            except UnifiedError:
                raise
            except Exception as error:
                self._strike(name, hook, error)
            else:
                if answer is not None:
                    answers[name] = answer
        return answers

    def _strike(self, name: str, hook: str, error: Exception) -> None:
        self._strikes[name] = self._strikes.get(name, 0) + 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"callback {name} failed in {hook}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        if self._strikes[name] == _STRIKES:
            text += f"; left out from here on, after {_STRIKES} failures"
        self._report(name, text)
