"""Reinforcement, supervised and generative learning in one training loop; every component is a plugin found by name.

The public names are imported at their first use, so that ``import unified`` is fast. Plugins import this module,
`unified.agents`, `unified.heads`, `unified.nets`, `unified.replay` and `unified.testing`; `API_VERSION` covers them, and every other
module may change with any version.

>>> import unified
>>> run = unified.train(agent="drqv2", suite="dmc:cartpole_swingup", config={"train.frames": 20_000})   # doctest: +SKIP
>>> agent = unified.load(run)                                                                            # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unified.api import load, train
    from unified.array_vector_env import ArrayVectorEnv
    from unified.core.base.errors import Problem, UnifiedError, UsageError
    from unified.core.base.schedule import Schedule
    from unified.core.base.spec import Space, Spec
    from unified.core.components.descriptors import (
        AgentComponent,
        ArchitectureComponent,
        CallbackComponent,
        CommandComponent,
        LauncherComponent,
        ObjectiveComponent,
        Preset,
        RecipeComponent,
        SamplerComponent,
        SuiteComponent,
    )
    from unified.core.components.hookspecs import API_VERSION, Callback, hookimpl, hookspec
    from unified.core.components.options import Options, RenamedFrom
    from unified.core.config.compose import compose
    from unified.core.config.config import Config
    from unified.core.config.schema import Part
    from unified.core.envs.adapters import SuiteAdapter
    from unified.core.envs.dataset import DataSuite, Rows
    from unified.core.envs.step_batch import StepBatch
    from unified.core.envs.suite import Environment, EpisodeFailed, Step, Suite
    from unified.core.envs.vector_protocol import VectorEnv
    from unified.core.learn.actions import Action, ContinuousActions, DiscreteActions
    from unified.core.learn.agent import Agent, PolicySnapshot
    from unified.core.learn.builder import Builder
    from unified.core.learn.memory import Memory
    from unified.core.learn.networks import output_shape
    from unified.core.learn.objective import Loss, Objective, Phase, frozen
    from unified.core.learn.options import LearningOptions
    from unified.core.learn.update import PhaseLoss, PhaseStep, UpdateResult
    from unified.core.registry import registry
    from unified.core.replay.batch import Batch
    from unified.core.replay.views import Labelled, Rollout, RolloutSequences, Transitions, View
    from unified.core.runs.run import Run
    from unified.core.trainer.build import launch
    from unified.core.trainer.launcher import Launcher
    from unified.core.trainer.sources import EnvCollector, ExperienceSource

from unified.core.base.lazy import lazy_exports
from unified.core.base.waiting import wait_briefly
from unified.version import __version__

#: Where each public name lives.
_HOMES = {
    "unified.api": ("load", "train"),
    "unified.core.learn.actions": ("Action", "ContinuousActions", "DiscreteActions"),
    "unified.core.learn.agent": ("Agent", "PolicySnapshot"),
    "unified.core.learn.update": ("PhaseLoss", "PhaseStep", "UpdateResult"),
    "unified.core.learn.memory": ("Memory",),
    "unified.core.learn.networks": ("output_shape",),
    "unified.core.replay.batch": ("Batch",),
    "unified.core.components.descriptors": (
        "AgentComponent",
        "ArchitectureComponent",
        "CallbackComponent",
        "CommandComponent",
        "LauncherComponent",
        "ObjectiveComponent",
        "Preset",
        "RecipeComponent",
        "SamplerComponent",
        "SuiteComponent",
    ),
    "unified.core.components.options": ("Options", "RenamedFrom"),
    "unified.core.config.compose": ("compose",),
    "unified.core.config.config": ("Config",),
    "unified.core.config.schema": ("Part",),
    "unified.core.envs.dataset": ("DataSuite", "Rows"),
    "unified.core.envs.adapters": ("SuiteAdapter",),
    "unified.core.base.errors": ("Problem", "UnifiedError", "UsageError"),
    "unified.core.components.hookspecs": ("API_VERSION", "Callback", "hookimpl", "hookspec"),
    "unified.core.learn.options": ("LearningOptions",),
    "unified.core.learn.objective": ("Loss", "Objective", "Phase", "frozen"),
    "unified.core.learn.builder": ("Builder",),
    "unified.core.registry": ("registry",),
    "unified.core.runs.run": ("Run",),
    "unified.core.base.schedule": ("Schedule",),
    "unified.core.base.spec": ("Space", "Spec"),
    "unified.array_vector_env": ("ArrayVectorEnv",),
    "unified.core.envs.vector_protocol": ("VectorEnv",),
    "unified.core.envs.suite": ("Environment", "EpisodeFailed", "Step", "Suite"),
    "unified.core.trainer.build": ("launch",),
    "unified.core.trainer.launcher": ("Launcher",),
    "unified.core.trainer.sources": ("EnvCollector", "ExperienceSource"),
    "unified.core.envs.step_batch": ("StepBatch",),
    "unified.core.replay.views": ("Labelled", "Rollout", "RolloutSequences", "Transitions", "View"),
}
__all__ = [
    "API_VERSION",
    "Action",
    "Agent",
    "AgentComponent",
    "ArchitectureComponent",
    "ArrayVectorEnv",
    "Batch",
    "Builder",
    "Callback",
    "CallbackComponent",
    "CommandComponent",
    "Config",
    "ContinuousActions",
    "DataSuite",
    "DiscreteActions",
    "EnvCollector",
    "Environment",
    "EpisodeFailed",
    "ExperienceSource",
    "Labelled",
    "Launcher",
    "LauncherComponent",
    "LearningOptions",
    "Loss",
    "Memory",
    "Objective",
    "ObjectiveComponent",
    "Options",
    "Part",
    "Phase",
    "PhaseLoss",
    "PhaseStep",
    "PolicySnapshot",
    "Preset",
    "Problem",
    "RecipeComponent",
    "RenamedFrom",
    "Rollout",
    "RolloutSequences",
    "Rows",
    "Run",
    "SamplerComponent",
    "Schedule",
    "Space",
    "Spec",
    "Step",
    "StepBatch",
    "Suite",
    "SuiteAdapter",
    "SuiteComponent",
    "Transitions",
    "UnifiedError",
    "UpdateResult",
    "UsageError",
    "VectorEnv",
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


__getattr__ = lazy_exports(__name__, _HOMES)

wait_briefly()


def __dir__() -> list[str]:
    return sorted(__all__)
