"""One small core for reinforcement, supervised and generative learning; everything else is a plugin found by name.

The public names below are imported when they are first used: ``import unified`` itself is light.

>>> import unified
>>> run = unified.train(agent="drqv2", suite="dmc:cartpole_swingup", config={"train.frames": 20_000})   # doctest: +SKIP
>>> agent = unified.load(run)                                                                            # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.api import load, train
    from unified.core.agent import Agent
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
    from unified.core.errors import Problem, UnifiedError, UsageError
    from unified.core.hookspecs import hookimpl, hookspec
    from unified.core.objective import Loss, Objective, Phase
    from unified.core.registry import registry
    from unified.core.run import Run
    from unified.core.spec import Space, Spec
    from unified.core.suite import Environment, EpisodeFailed, Step, Suite

from unified.version import __version__

#: Where each public name lives.
_HOMES = {
    "unified.api": ("load", "train"),
    "unified.core.agent": ("Agent",),
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
    "unified.core.errors": ("Problem", "UnifiedError", "UsageError"),
    "unified.core.hookspecs": ("hookimpl", "hookspec"),
    "unified.core.objective": ("Loss", "Objective", "Phase"),
    "unified.core.registry": ("registry",),
    "unified.core.run": ("Run",),
    "unified.core.spec": ("Space", "Spec"),
    "unified.core.suite": ("Environment", "EpisodeFailed", "Step", "Suite"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentComponent",
    "ArchitectureComponent",
    "CallbackComponent",
    "CommandComponent",
    "Config",
    "Environment",
    "EpisodeFailed",
    "LauncherComponent",
    "Loss",
    "Objective",
    "ObjectiveComponent",
    "Options",
    "Part",
    "Phase",
    "Preset",
    "Problem",
    "RecipeComponent",
    "Run",
    "Space",
    "Spec",
    "Step",
    "Suite",
    "SuiteComponent",
    "UnifiedError",
    "UsageError",
    "__version__",
    "compose",
    "hookimpl",
    "hookspec",
    "load",
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
