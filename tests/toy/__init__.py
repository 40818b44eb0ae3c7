"""A frozen registry for tests of the configuration and the command line: a few components with names and options that never change.

The built-ins change, and a new one must not edit the answers that tests record. The names are those of real components, so that the
answers read as a user sees them. Only descriptors and options are here: only the launcher can be loaded, and torch is never imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from unified.core.components.descriptors import (
    AgentComponent,
    ArchitectureComponent,
    CallbackComponent,
    LauncherComponent,
    ObjectiveComponent,
    RecipeComponent,
    SamplerComponent,
    SuiteComponent,
)
from unified.core.components.filters import Switches
from unified.core.components.hookspecs import hookimpl
from unified.core.registry import CORE, EntryPoint, Registry

_CONTROL = ("control", "classify", "regress")


def _at(name: str) -> str:
    return f"toy.options:{name}"


AGENTS = (
    AgentComponent("ac2", "toy:AC2", _at("AC2"), parts=("encoder", "actor", "critic", "generator"), presets=_at("AC2_PRESETS")),
    AgentComponent(
        "dqn",
        "toy:DQN",
        _at("DQN"),
        parts=("encoder", "critic"),
        presets=_at("DQN_PRESETS"),
        task_types=_CONTROL,
        answers={"c51": "--agent dqn critic.head=categorical"},
    ),
    AgentComponent("drqv2", "toy:DrQV2", _at("DrQV2"), parts=("encoder", "critic"), presets=_at("DRQV2_PRESETS"), task_types=_CONTROL),
    AgentComponent("ppo", "toy:PPO", _at("PPO"), parts=("encoder", "actor"), task_types=_CONTROL),
    AgentComponent("random", "toy:Random"),
    AgentComponent("sac", "toy:SAC", _at("SAC"), parts=("encoder", "actor", "critic"), task_types=_CONTROL),
)
SUITES = (
    SuiteComponent("dmc", "toy:DMC", _at("DMC"), tasks="toy.tasks:TASKS", example="humanoid_run", agent="drqv2"),
    SuiteComponent("gym", "toy:Gym", _at("Gym"), tasks=None, example="Pendulum-v1", ids=r"(\w+-v\d+)"),
    SuiteComponent("digits", "toy:Digits", _at("Rows"), tasks="toy.tasks:NONE", agent="ac2", data=True),
    SuiteComponent("vision", "toy:Vision", _at("Vision"), tasks="toy.tasks:PICTURES", example="cifar10", agent="ac2", data=True),
)
ARCHITECTURES = tuple(
    ArchitectureComponent(name, f"toy:{name}", _at(config))
    for name, config in (
        ("drqv2_cnn", "Channels"),
        ("cnn", "CNN"),
        ("resnet18", "Depth"),
        ("mlp", "MLP"),
        ("identity", "Options"),
        ("load", "Load"),
        ("scalar", "Scalar"),
        ("categorical", "Atoms"),
        ("quantile", "Atoms"),
        ("flow", "Options"),
    )
)
OBJECTIVES = (
    ObjectiveComponent("td", "toy:TD", _at("Options")),
    ObjectiveComponent("dpg", "toy:DPG", _at("Options")),
    ObjectiveComponent("spr", "toy:SPR", _at("Options")),
    ObjectiveComponent("flow", "toy:Flow", _at("Options"), presets=_at("FLOW_PRESETS")),
)
CALLBACKS = (
    CallbackComponent("console", "toy:Console"),
    CallbackComponent("curve", "toy:Curve"),
    CallbackComponent("tensorboard", "toy:TensorBoard"),
    CallbackComponent("video", "toy:Video", _at("Video")),
)

builtins = SimpleNamespace(
    register_agents=hookimpl(lambda: AGENTS),
    register_suites=hookimpl(lambda: SUITES),
    register_architectures=hookimpl(lambda: ARCHITECTURES),
    register_objectives=hookimpl(lambda: OBJECTIVES),
    register_callbacks=hookimpl(lambda: CALLBACKS),
    register_samplers=hookimpl(lambda: [SamplerComponent("uniform", "unified.core.replay.samplers:Uniform")]),
    register_launchers=hookimpl(lambda: [LauncherComponent("local", "unified.plugins.launchers.local.launcher:Local")]),
    register_recipes=hookimpl(lambda: [RecipeComponent("laptop", path=Path(__file__).with_name("laptop.yaml"))]),
)


@dataclass(frozen=True)
class _EntryPoint:
    """The toy components in the place of the built-in ones."""

    name: str = CORE
    value: str = "unified.plugins"
    dist: Any = None

    def load(self) -> Any:
        return builtins


def registry(*further: EntryPoint) -> Registry:
    """The toy components as the built-ins, and the plugins of further entry points."""
    return Registry([_EntryPoint(), *further], Switches())
