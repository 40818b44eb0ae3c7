"""The built-ins, registered through the same hooks as anybody's. Torch-free: descriptors only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unified.core.components import (
    AgentComponent,
    ArchitectureComponent,
    CallbackComponent,
    LauncherComponent,
    ObjectiveComponent,
    RecipeComponent,
    SuiteComponent,
)
from unified.core.hookspecs import hookimpl
from unified.plugins import architectures, objectives
from unified.plugins.agents import drqv2, random
from unified.plugins.callbacks import console, curve, tensorboard, video
from unified.plugins.launchers import local
from unified.plugins.suites import dmc, gym


@hookimpl
def register_agents() -> Iterator[AgentComponent]:
    yield from (drqv2.component, random.component)


@hookimpl
def register_suites() -> Iterator[SuiteComponent]:
    yield from (dmc.component, gym.component)


@hookimpl
def register_architectures() -> Iterator[ArchitectureComponent]:
    yield from architectures.components


@hookimpl
def register_objectives() -> Iterator[ObjectiveComponent]:
    yield from objectives.components


@hookimpl
def register_callbacks() -> Iterator[CallbackComponent]:
    yield from (console.component, curve.component, tensorboard.component, video.component)


@hookimpl
def register_launchers() -> Iterator[LauncherComponent]:
    yield local.component


@hookimpl
def register_recipes() -> Iterator[RecipeComponent]:
    yield RecipeComponent("laptop", path=Path(__file__).parent / "recipes" / "laptop.yaml", summary="pixels on a small CPU, in minutes")
