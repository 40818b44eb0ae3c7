"""Finds plugins and resolves the names of components. Imports no torch.

Every plugin, including the built-ins, is an entry point of the group ``unified``: a module with hook implementations. Each plugin is loaded
in isolation: an error is recorded, and all other plugins work.
"""

from __future__ import annotations

import os
import re
import site
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import pluggy

from unified.core.base import suggest
from unified.core.base.errors import Problem, UnifiedError, UsageError, error_text
from unified.core.components import import_paths, static
from unified.core.components import importing as imports
from unified.core.components.descriptors import COMPONENTS, KINDS, Component, Origin
from unified.core.components.filters import STRICT_VARIABLE, Switches
from unified.core.components.hookspecs import API_VERSION, LIFECYCLE, PROJECT, REGISTRATION, Registration

GROUP = "unified"
CORE = "core"
#: Milliseconds from which a plugin is shown as slow; `unified --help` takes half of it.
SLOW_MS = 200
#: Length of an error in a list of plugins; `Plugin.traceback` is complete.
_LONGEST = 200

State = Literal["active", "disabled", "broken", "incompatible", "conflicting"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]*")  # no dots: they separate keys, callbacks.NAME.every
_HOOKS = {f"register_{kind}": kind for kind in KINDS}


class EntryPoint(Protocol):
    """The attributes of `importlib.metadata.EntryPoint` that the registry reads."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def dist(self) -> Any: ...
    def load(self) -> Any: ...


@dataclass(frozen=True)
class Plugin(Origin):
    """The result of loading one entry point.

    Args:
        state: Only ``"active"`` plugins provide components.
        error: One line if the plugin is not active.
        traceback: Traceback of the error, if any.
        milliseconds: Duration of loading.
    """

    state: State = "active"
    error: str = ""
    traceback: str = ""
    milliseconds: float = 0.0

    @property
    def slow(self) -> bool:
        """Whether it slows down every command."""
        return self.milliseconds > SLOW_MS

    @property
    def failed(self) -> bool:
        """Whether it is enabled and could not be loaded."""
        return self.state not in ("active", "disabled")


class _Refused(Exception):
    """A plugin that breaks a rule."""

    def __init__(self, message: str, state: State = "broken") -> None:
        super().__init__(message)
        self.state = state


class Registry:
    """The components of all plugins, by kind and name.

    Args:
        entry_points: Entry points to load; those of all installed distributions by default.
        switches: Disabled plugins; from the environment variables by default.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None, switches: Switches | None = None) -> None:
        found: Iterable[EntryPoint] = installed_entry_points() if entry_points is None else entry_points
        self._switches = switches if switches is not None else Switches.of(os.environ)
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Registration)
        self._components: dict[str, dict[str, list[Component]]] = {kind: {} for kind in KINDS}
        self._plugins: list[Plugin] = []
        self._gates: tuple[Callable[[str], None], ...] = ()
        # The built-ins come first, so that no plugin takes their names.
        for entry_point in sorted(found, key=lambda entry: (not _is_core(entry), entry.name)):
            self._add(entry_point)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """One record for each entry point, including broken ones."""
        return tuple(self._plugins)

    def names(self, kind: str) -> list[str]:
        """Names of all components of a kind, sorted; qualified if two plugins share a name."""
        return sorted(self.name_of(component) for component in self.all(kind))

    def all(self, kind: str) -> list[Component]:
        """All components of a kind, by name."""
        return [component for _, several in sorted(self._components[kind].items()) for component in several]

    def name_of(self, component: Component) -> str:
        """The shortest unambiguous name of a component."""
        several = self._components[component.kind].get(component.name, [])
        return component.name if len(several) < 2 or component.origin.provider == CORE else component.qualified

    def get(self, kind: str, name: str) -> Component:
        """The component of a name, ``drqv2`` or ``provider/drqv2``, or of a reference, ``./mine.py:MyAgent``.

        Raises:
            UsageError: If there is none, or the name is ambiguous.
        """
        if import_paths.is_reference(name):
            self.admit(name)
            return import_paths.component(kind, name, self.all(kind))
        provider, _, bare = name.rpartition("/")
        several = self._components[kind].get(bare, [])
        if provider:
            several = [component for component in several if component.origin.provider == provider]
        if len(several) == 1:
            return several[0]
        singular = kind.removesuffix("s")
        if not several:
            raise UsageError(Problem(f"{singular} {name!r} does not exist", self._hint(kind, name)))
        core = [component for component in several if component.origin.provider == CORE]
        if core:
            return core[0]
        choices = " or ".join(component.qualified for component in several)
        raise UsageError(Problem(f"{singular} {name!r} is provided by several plugins", f"choose one: {choices}"))

    def without_references(self) -> Registry:
        """A registry that imports no references, so that completion runs no user code."""
        return self.gated(_refuse)

    def gated(self, gate: Callable[[str], None]) -> Registry:
        """A registry that imports the references only which `gate` admits; it raises an error for any other."""
        other = copy(self)
        other._gates = (*self._gates, gate)
        return other

    def admit(self, reference: str) -> None:
        """Raise an error if this reference may not be imported."""
        for gate in self._gates:
            gate(reference)

    def _hint(self, kind: str, name: str) -> str:
        if not self._plugins:
            return "no plugins are installed, not even the built-in ones: pip install unified-ml (in a checkout: pip install -e .)"
        names = self.names(kind)
        hint = suggest.did_you_mean(name, names)
        if not hint:
            hint = f"there is {', '.join(names)}" if 0 < len(names) <= 12 else f"all: unified plugins list {kind}"
        failed = [plugin.provider for plugin in self._plugins if plugin.failed]
        if failed:
            hint += f"   not loaded: {', '.join(failed)} (unified plugins show {failed[0]})"
        off = [plugin.provider for plugin in self._plugins if plugin.state == "disabled"]
        return f"{hint}   switched off: {', '.join(off)}" if off else hint

    # Loading --------------------------------------------------------------------------------------------------------------------

    def _add(self, entry_point: EntryPoint) -> None:
        record = Plugin(entry_point.name, *_distribution(entry_point))
        start = time.perf_counter()
        try:
            with imports.stdout_to_stderr():
                components = self._load(entry_point, record)
            for component in components:
                self._components[component.kind].setdefault(component.name, []).append(component)
        except KeyboardInterrupt:
            raise
        except _Refused as refused:
            record = replace(record, state=refused.state, error=str(refused))
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            record = replace(record, state="broken", error=error_text(error)[:_LONGEST], traceback=_traceback(error))
        if record.state != "active":
            self._forget(entry_point.name)
        self._plugins.append(replace(record, milliseconds=1000 * (time.perf_counter() - start)))

    def _load(self, entry_point: EntryPoint, record: Plugin) -> list[Component]:
        provider = entry_point.name
        if provider == CORE and not _is_core(entry_point):
            raise _Refused(f"the provider name {CORE!r} is the built-ins' own", "conflicting")
        if provider != CORE and (why := self._switches.refuse(provider, record.distribution)):
            raise _Refused(why, "disabled")
        if other := next((plugin for plugin in self._plugins if plugin.provider == provider), None):
            raise _Refused(f"{other.distribution or 'another plugin'} has the provider name {provider!r} already", "conflicting")
        if not _NAME.fullmatch(provider):
            raise _Refused(f"the provider name {provider!r} cannot be typed: letters, digits, _ and - only")
        plugin = entry_point.load()
        _check_version(plugin)
        _check_hooks(plugin)
        self._manager.register(plugin, provider)
        components = [component for hook, kind in _HOOKS.items() for component in self._ask(plugin, hook, kind)]
        _check_twice(components)
        if provider != CORE:
            _check_targets(components)
        origin = Origin(provider, record.distribution, record.version)
        return [replace(component, origin=origin) for component in components]

    def _ask(self, plugin: Any, hook: str, kind: str) -> list[Component]:
        components: list[Component] = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            answer = implementation.function()
            components += [answer] if isinstance(answer, Component) else list(answer or ())
        for component in components:
            _check_component(component, hook, kind)
        return components

    def _forget(self, provider: str) -> None:
        if not any(plugin.provider == provider for plugin in self._plugins) and self._manager.get_plugin(provider) is not None:
            self._manager.unregister(name=provider)


_current: list[Registry] = []


def registry() -> Registry:
    """The registry of this process, created by the first call.

    Raises:
        UnifiedError: If a plugin failed and ``UNIFIED_STRICT_PLUGINS`` is set.
    """
    if not _current:
        found = Registry()
        failed = [plugin for plugin in found.plugins if plugin.failed]
        if failed and os.environ.get(STRICT_VARIABLE, "") not in ("", "0"):
            raise UnifiedError(
                *(Problem(f"plugin {plugin.provider} ({plugin}) is {plugin.state}: {plugin.error}") for plugin in failed),
                Problem(f"{STRICT_VARIABLE} is set", f"leave one out: -p no:{failed[0].provider}"),
            )
        _current.append(found)
    return _current[0]


def reset() -> None:
    """Let the next `registry()` load all plugins again, after an installation."""
    _current.clear()


def installed_entry_points() -> list[EntryPoint]:
    """Entry points of all installed distributions.

    Metadata in the current directory does not count: a checkout or a download in the working directory must not become a plugin. The
    built-ins are found in any place.
    """
    found = list(metadata.entry_points(group=GROUP))
    here = Path.cwd()
    strays = [entry for entry in found if not _is_core(entry) and _lies_in(entry, here)]
    if not strays:
        return [*found]
    kept = [entry for entry in found if entry not in strays]
    # A distribution in the current directory may hide an installed one of the same name.
    elsewhere = [place for place in sys.path if place and Path(place).resolve() != here]
    for distribution in metadata.distributions(path=elsewhere):
        if distribution.name in {stray.dist.name for stray in strays if stray.dist is not None}:
            kept += distribution.entry_points.select(group=GROUP)
    return [*kept]


def _lies_in(entry_point: EntryPoint, directory: Path) -> bool:
    try:
        place = Path(str(entry_point.dist.locate_file(""))).resolve()
    except Exception:  # metadata without files
        return False
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    return place == directory and str(directory) not in installed


def _is_core(entry_point: EntryPoint) -> bool:
    return entry_point.name == CORE and entry_point.value.partition(":")[0] == "unified.plugins"


def _distribution(entry_point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution; empty if its metadata is damaged."""
    try:
        return str(entry_point.dist.name), str(entry_point.dist.version)
    except Exception:
        return "", ""


def _refuse(reference: str) -> None:
    raise UsageError(Problem(f"{import_paths.shown(reference)} is not imported"))


def _check_version(plugin: Any) -> None:
    version = getattr(plugin, "API_VERSION", API_VERSION)
    if not isinstance(version, int) or isinstance(version, bool):
        raise _Refused(f"API_VERSION = {version!r} is not a whole number")
    if version != API_VERSION:
        which = "a newer unified: pip install -U unified-ml" if version > API_VERSION else "a newer version of the plugin"
        raise _Refused(f"written for plugin API {version}, this is {API_VERSION}; it needs {which}", "incompatible")


def _check_hooks(plugin: Any) -> None:
    """Refuse mistyped hooks, which pluggy ignores."""
    for name in dir(plugin):
        marked = getattr(getattr(plugin, name, None), f"{PROJECT}_impl", None) is not None
        if marked and name in LIFECYCLE:
            raise _Refused(f"{name} is a hook of a run, not of a plugin: put it in a subclass of unified.Callback and register that")
        if marked and name not in REGISTRATION:
            raise _Refused(f"there is no hook {name!r}   {suggest.did_you_mean(name, REGISTRATION)}".rstrip())
        if not marked and name in _HOOKS and callable(getattr(plugin, name)):
            raise _Refused(f"{name} is not marked: put @hookimpl above it (from unified import hookimpl)")


def _check_component(component: Any, hook: str, kind: str) -> None:
    wanted = COMPONENTS[kind]
    if not isinstance(component, wanted):
        raise _Refused(f"{hook} yields {type(component).__name__}, not {wanted.__name__}: {component!r}")
    if not isinstance(component.name, str) or not _NAME.fullmatch(component.name):
        raise _Refused(f"{hook} yields the name {component.name!r}, which cannot be typed: letters, digits, _ and - only")
    for reference in (component.target, component.config, getattr(component, "tasks", None), getattr(component, "presets", None)):
        if reference and ":" not in reference:
            raise _Refused(f"{component}: {reference!r} is not of the form module:Attribute")
    if not component.target and kind != "recipes":
        raise _Refused(f"{component} has no target")


def _check_targets(components: Sequence[Component]) -> None:
    """Refuse targets in modules that do not exist, without importing any."""
    for component in components:
        for reference in (component.target, component.config, getattr(component, "tasks", None), getattr(component, "presets", None)):
            module = (reference or "").partition(":")[0]
            if module and module not in sys.modules and static.spec_of(module) is None:
                raise _Refused(f"{component}: there is no module {module!r}")


def _check_twice(components: Sequence[Component]) -> None:
    seen: set[tuple[str, str]] = set()
    for component in components:
        if (component.kind, component.name) in seen:
            raise _Refused(f"{component} is yielded twice")
        seen.add((component.kind, component.name))


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
