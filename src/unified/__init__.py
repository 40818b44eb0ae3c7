"""One small core for reinforcement, supervised and generative learning; everything else is a plugin found by name.

The public names below are imported when they are first used: ``import unified`` itself is light. A plugin needs these,
`unified.heads` and `unified.testing`; they are what `API_VERSION` is about, and every other module may change with any version.

>>> import unified
>>> run = unified.train(agent="drqv2", suite="dmc:cartpole_swingup", config={"train.frames": 20_000})   # doctest: +SKIP
>>> agent = unified.load(run)                                                                            # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.api import load, train
    from unified.core.action import Action, ContinuousActions
    from unified.core.agent import Agent, Learned
    from unified.core.architecture import output_shape
    from unified.core.batch import Batch
    from unified.core.components import (
        AgentComponent,
        ArchitectureComponent,
        CallbackComponent,
        CommandComponent,
        LauncherComponent,
        ObjectiveComponent,
        Preset,
        RecipeComponent,
        SuiteComponent,
    )
    from unified.core.config import Config, Options, Part, compose
    from unified.core.data import DataSuite, Rows
    from unified.core.discrete_actions import DiscreteActions
    from unified.core.environment.adapted import Adapted
    from unified.core.errors import Problem, UnifiedError, UsageError
    from unified.core.hookspecs import API_VERSION, hookimpl, hookspec
    from unified.core.learning import LearningOptions
    from unified.core.objective import Loss, Objective, Phase, frozen
    from unified.core.parts import Build
    from unified.core.registry import registry
    from unified.core.run import Run
    from unified.core.schedule import Schedule
    from unified.core.spec import Space, Spec
    from unified.core.suite import Environment, EpisodeFailed, Step, Suite
    from unified.core.trainer.build import launch
    from unified.core.views import Labelled, Rollout, Transitions, View

from unified.version import __version__

#: Where each public name lives.
_HOMES = {
    "unified.api": ("load", "train"),
    "unified.core.action": ("Action", "ContinuousActions"),
    "unified.core.agent": ("Agent", "Learned"),
    "unified.core.architecture": ("output_shape",),
    "unified.core.batch": ("Batch",),
    "unified.core.components": (
        "AgentComponent",
        "ArchitectureComponent",
        "CallbackComponent",
        "CommandComponent",
        "LauncherComponent",
        "ObjectiveComponent",
        "Preset",
        "RecipeComponent",
        "SuiteComponent",
    ),
    "unified.core.config": ("Config", "Options", "Part", "compose"),
    "unified.core.data": ("DataSuite", "Rows"),
    "unified.core.discrete_actions": ("DiscreteActions",),
    "unified.core.environment.adapted": ("Adapted",),
    "unified.core.errors": ("Problem", "UnifiedError", "UsageError"),
    "unified.core.hookspecs": ("API_VERSION", "hookimpl", "hookspec"),
    "unified.core.learning": ("LearningOptions",),
    "unified.core.objective": ("Loss", "Objective", "Phase", "frozen"),
    "unified.core.parts": ("Build",),
    "unified.core.registry": ("registry",),
    "unified.core.run": ("Run",),
    "unified.core.schedule": ("Schedule",),
    "unified.core.spec": ("Space", "Spec"),
    "unified.core.suite": ("Environment", "EpisodeFailed", "Step", "Suite"),
    "unified.core.trainer.build": ("launch",),
    "unified.core.views": ("Labelled", "Rollout", "Transitions", "View"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "API_VERSION",
    "Action",
    "Adapted",
    "Agent",
    "AgentComponent",
    "ArchitectureComponent",
    "Batch",
    "Build",
    "CallbackComponent",
    "CommandComponent",
    "Config",
    "ContinuousActions",
    "DataSuite",
    "DiscreteActions",
    "Environment",
    "EpisodeFailed",
    "Labelled",
    "LauncherComponent",
    "Learned",
    "LearningOptions",
    "Loss",
    "Objective",
    "ObjectiveComponent",
    "Options",
    "Part",
    "Phase",
    "Preset",
    "Problem",
    "RecipeComponent",
    "Rollout",
    "Rows",
    "Run",
    "Schedule",
    "Space",
    "Spec",
    "Step",
    "Suite",
    "SuiteComponent",
    "Transitions",
    "UnifiedError",
    "UsageError",
    "View",
    "__version__",
    "compose",
    "frozen",
    "hookimpl",
    "hookspec",
    "launch",
    "load",
    "output_shape",
    "registry",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unified' has no attribute {name!r}")
    from importlib import import_module

    attribute = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = attribute
    return attribute


def __dir__() -> list[str]:
    return sorted(__all__)
