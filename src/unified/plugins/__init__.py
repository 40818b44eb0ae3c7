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
from unified.plugins.agents import ac2, dqn, drqv2, ppo, random, sac
from unified.plugins.architectures import heads
from unified.plugins.callbacks import console, curve, images, tensorboard, video
from unified.plugins.launchers import local
from unified.plugins.suites import atari, dataset, dmc, gym, tables, vision


@hookimpl
def register_agents() -> Iterator[AgentComponent]:
    yield from (each.component for each in (ac2, dqn, drqv2, ppo, random, sac))


@hookimpl
def register_suites() -> Iterator[SuiteComponent]:
    yield from (atari.component, dataset.component, dmc.component, gym.component, vision.component, *tables.components)


@hookimpl
def register_architectures() -> Iterator[ArchitectureComponent]:
    yield from (*architectures.components, *heads.components)


@hookimpl
def register_objectives() -> Iterator[ObjectiveComponent]:
    yield from objectives.components


@hookimpl
def register_callbacks() -> Iterator[CallbackComponent]:
    yield from (each.component for each in (console, curve, images, tensorboard, video))


@hookimpl
def register_launchers() -> Iterator[LauncherComponent]:
    yield local.component


@hookimpl
def register_recipes() -> Iterator[RecipeComponent]:
    yield RecipeComponent("laptop", path=Path(__file__).parent / "recipes" / "laptop.yaml", summary="pixels on a small CPU, in minutes")
