"""The built-ins: every package below this one that defines `component` or `components`, registered through the hooks of any plugin.

A new component is a new package and edits no file of the others. These packages hold descriptors only and are torch-free; the code of
a component is in modules of its package, which are not imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from unified.core.components.descriptors import (
    AgentComponent,
    ArchitectureComponent,
    CallbackComponent,
    Component,
    LauncherComponent,
    ObjectiveComponent,
    RecipeComponent,
    SamplerComponent,
    SuiteComponent,
)
from unified.core.components.hookspecs import hookimpl

_Kind = TypeVar("_Kind", bound=Component)


@cache
def builtins() -> tuple[Component, ...]:
    """The components of all packages, sorted by the packages' names."""
    return tuple(component for package in sorted(_packages(Path(__file__).parent, __name__)) for component in _components(package))


def _packages(directory: Path, name: str) -> Iterator[str]:
    for below in directory.iterdir():
        if (below / "__init__.py").is_file():
            yield f"{name}.{below.name}"
            yield from _packages(below, f"{name}.{below.name}")


def _components(package: str) -> Iterator[Component]:
    contents = vars(import_module(package))
    if "component" in contents:
        yield contents["component"]
    yield from contents.get("components", ())


def _of(kind: type[_Kind]) -> list[_Kind]:
    return [component for component in builtins() if isinstance(component, kind)]


@hookimpl
def register_agents() -> list[AgentComponent]:
    return _of(AgentComponent)


@hookimpl
def register_suites() -> list[SuiteComponent]:
    return _of(SuiteComponent)


@hookimpl
def register_architectures() -> list[ArchitectureComponent]:
    return _of(ArchitectureComponent)


@hookimpl
def register_objectives() -> list[ObjectiveComponent]:
    return _of(ObjectiveComponent)


@hookimpl
def register_samplers() -> list[SamplerComponent]:
    return _of(SamplerComponent)


@hookimpl
def register_callbacks() -> list[CallbackComponent]:
    return _of(CallbackComponent)


@hookimpl
def register_launchers() -> list[LauncherComponent]:
    return _of(LauncherComponent)


@hookimpl
def register_recipes() -> list[RecipeComponent]:
    return _of(RecipeComponent)
