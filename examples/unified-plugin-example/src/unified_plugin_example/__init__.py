"""One component of every kind. Descriptors only: this module does not import torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unified import (
    AgentComponent,
    ArchitectureComponent,
    CallbackComponent,
    CommandComponent,
    LauncherComponent,
    ObjectiveComponent,
    RecipeComponent,
    SamplerComponent,
    SuiteComponent,
    hookimpl,
)

#: Version of the plugin interface that this package uses.
API_VERSION = 2


@hookimpl
def register_agents() -> Iterator[AgentComponent]:
    yield AgentComponent(
        name="twin",
        target="unified_plugin_example.agent:Twin",
        config="unified_plugin_example.config:TwinOptions",
        presets="unified_plugin_example.config:PRESETS",
        parts=("encoder", "actor", "critic"),
        summary="twin critics, target smoothing and a delayed actor (after Fujimoto et al. 2018)",
    )


@hookimpl
def register_suites() -> Iterator[SuiteComponent]:
    yield SuiteComponent(
        name="harbour",
        target="unified_plugin_example.suite:Harbour",
        config="unified_plugin_example.config:HarbourOptions",
        tasks="unified_plugin_example.tasks:TASKS",
        example="reach",
        summary="steer a boat to a buoy, or dock there",
    )


@hookimpl
def register_samplers() -> Iterator[SamplerComponent]:
    yield SamplerComponent(
        name="her",
        target="unified_plugin_example.sampler:Her",
        summary="transitions with goals that were achieved later in their episodes (Andrychowicz et al. 2017)",
        example="--agent dqn --suite goals:bit_flip agent.n_step=1 replay.sampler=her",
    )


@hookimpl
def register_architectures() -> Iterator[ArchitectureComponent]:
    yield ArchitectureComponent(
        name="fourier",
        target="unified_plugin_example.architectures:Fourier",
        summary="learned Fourier features (Li & Pathak 2021)",
        example="encoder=fourier --suite gym:Pendulum-v1",
    )
    yield ArchitectureComponent(
        name="norm_mlp",
        target="unified_plugin_example.architectures:norm_mlp",
        summary="an MLP with layer normalisation",
        example="encoder=norm_mlp --agent twin --suite harbour:reach",
    )


@hookimpl
def register_objectives() -> Iterator[ObjectiveComponent]:
    yield ObjectiveComponent(
        name="decorrelate",
        target="unified_plugin_example.objective:Decorrelate",
        summary="variance and covariance regularisation of features (VICReg, Bardes et al. 2022)",
    )


@hookimpl
def register_callbacks() -> Iterator[CallbackComponent]:
    yield CallbackComponent(
        name="milestones",
        target="unified_plugin_example.callback:Milestones",
        config="unified_plugin_example.config:MilestonesOptions",
        summary="milestones.json: frames after which evaluations reached given returns",
    )


@hookimpl
def register_launchers() -> Iterator[LauncherComponent]:
    yield LauncherComponent(
        name="logbook",
        target="unified_plugin_example.launcher:Logbook",
        config="unified_plugin_example.config:LogbookOptions",
        summary="train in this process, with a line in a logbook at start and end",
    )


@hookimpl
def register_recipes() -> Iterator[RecipeComponent]:
    yield RecipeComponent(
        "harbour", path=Path(__file__).parent / "recipes" / "harbour.yaml", summary="twin on harbour:reach, in about two minutes"
    )


@hookimpl
def register_commands() -> Iterator[CommandComponent]:
    yield CommandComponent("chart", "unified_plugin_example.command:chart", summary="Draw the start of an episode of harbour.")
