"""The conformance checks without pytest. Torch-free.

A check is a function of a component. It returns an optional note, or raises `Failed` with the contract, the observation and the
fix, or `Skipped` if it does not apply.
"""

from __future__ import annotations

import contextlib
import io
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError, one_line
from unified.core.components.descriptors import KINDS, Component, SuiteComponent
from unified.core.components.filters import same
from unified.core.components.import_paths import guess, label, parse
from unified.core.components.packages import brought_by
from unified.core.registry import CORE, Plugin, registry
from unified.testing.check import LEVELS, Check, Failed, Level, Skipped


@dataclass(frozen=True)
class Case:
    """A check of a component."""

    component: Component
    check: Check

    @property
    def id(self) -> str:
        """``agent:xyz-acts_in_every_space``."""
        return f"{self.component.kind.removesuffix('s')}:{label(registry().name_of(self.component))}-{self.check.name}"

    def run(self) -> str | None:
        """Run the check and return its note.

        Raises:
            Failed: If the component violates its contract. Other exceptions come from the component.
            Skipped: If the check does not apply, or the component's extra is not installed.
        """
        if why := missing_extra(self.component):
            raise Skipped(why)
        return self.check.function(self.component)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case.

    Args:
        state: ``"ok"``, ``"failed"`` or ``"skipped"``.
        text: The reason, or the note of the check.
        traceback: Traceback of an unexpected exception.
        seconds: Duration.
    """

    case: Case
    state: Literal["ok", "failed", "skipped"]
    text: str = ""
    traceback: str = ""
    seconds: float = 0.0


def carry_out(case: Case) -> Outcome:
    """Run a case and return its outcome; all exceptions are caught and output is suppressed."""
    start = time.perf_counter()
    state: Literal["ok", "failed", "skipped"] = "ok"
    text, trace = "", ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            text = case.run() or ""
    except Skipped as skipped:
        state, text = "skipped", str(skipped)
    except (Failed, UnifiedError) as failed:
        state, text = "failed", str(failed)
    except Exception as error:
        state, trace = "failed", traceback.format_exc()
        text = one_line(error)
    return Outcome(case, state, text, trace, time.perf_counter() - start)


def components_of(name: str) -> list[Component]:
    """The components of a plugin (entry point or package), or those of this name.

    Args:
        name: A name, or an import path: ``./mine.py:MyAgent``, ``./envs.py:Mazes:easy``.

    Raises:
        UsageError: If there is no component or plugin of this name.
        UnifiedError: If the plugin could not be loaded.
    """
    if (reference := parse(name)) is not None:
        found = guess(name, _everything())
        return [replace(found, example=reference.task) if isinstance(found, SuiteComponent) and reference.task else found]
    records = [plugin for plugin in registry().plugins if plugin.provider == name or same(plugin.distribution, name)]
    if records:
        _refuse_unloaded(records)
        providers = {plugin.provider for plugin in records}
        return [component for component in _everything() if component.origin.provider in providers]
    if named := [component for component in _everything() if name in (component.name, component.qualified)]:
        return named
    names = [registry().name_of(component) for component in _everything()]
    for plugin in registry().plugins:
        names += [plugin.provider, plugin.distribution]
    hint = suggest.did_you_mean(name, names) or "all: unified plugins list"
    raise UsageError(Problem(f"there is no plugin or component {name!r}", hint))


def third_parties() -> list[Plugin]:
    """All plugins except the built-ins and disabled ones."""
    return [plugin for plugin in registry().plugins if plugin.provider != CORE and plugin.state != "disabled"]


def cases(components: Iterable[Component], level: Level = "contract") -> list[Case]:
    """The checks of each component."""
    from unified.testing.checks import all_checks

    wanted = [check for check in all_checks() if LEVELS.index(check.level) <= LEVELS.index(level)]
    return [Case(component, check) for component in components for check in wanted if check.kind in ("", component.kind)]


def _everything() -> Iterator[Component]:
    for kind in KINDS:
        yield from registry().all(kind)


def _refuse_unloaded(records: Sequence[Plugin]) -> None:
    problems = [
        Problem(f"plugin {plugin.provider} is {plugin.state}: {plugin.error}", f"unified plugins show {plugin.provider}")
        for plugin in records
        if plugin.state != "active"
    ]
    if problems:
        raise UnifiedError(*problems)


def missing_extra(component: Component) -> str:
    """The error of a component whose extra is not installed; empty in all other cases."""
    if not component.extra or not component.target:
        return ""
    try:
        component.load()
    except UnifiedError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            missing = cause.name.partition(".")[0]
            if any(same(missing, name) for name in brought_by(component.origin.distribution, component.extra)):
                return str(error.problems[0])
    return ""
