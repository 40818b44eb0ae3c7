"""Bases, options and types for agents: what the built-in agents are made of, and those of plugins as well.

`OffPolicyAgent` and `OnPolicyAgent` come with options to inherit; the protocols say what objectives ask of an agent. Names are imported
when they are first used, so that options do not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.agents.off_policy import OffPolicyAgent
    from unified.agents.on_policy import OnPolicyAgent
    from unified.agents.options import (
        ActorCriticOptions,
        ActorOptions,
        CriticOptions,
        OffPolicyOptions,
        OnPolicyOptions,
        TwinCriticOptions,
    )
    from unified.core.learn.optim import make_optimizer
    from unified.core.learn.options import OptimizerName, OptimizerOptions
    from unified.core.learn.protocols import (
        ActorCritic,
        Acts,
        HasBootstrap,
        HasCritic,
        HasNoise,
        HasPolicy,
        HasPosterior,
        HasTemperature,
        SoftActorCritic,
        TemporalDifference,
    )

#: Where each public name is defined.
_HOMES = {
    "unified.agents.off_policy": ("OffPolicyAgent",),
    "unified.agents.on_policy": ("OnPolicyAgent",),
    "unified.agents.options": (
        "ActorCriticOptions",
        "ActorOptions",
        "CriticOptions",
        "OffPolicyOptions",
        "OnPolicyOptions",
        "TwinCriticOptions",
    ),
    "unified.core.learn.optim": ("make_optimizer",),
    "unified.core.learn.options": ("OptimizerName", "OptimizerOptions"),
    "unified.core.learn.protocols": (
        "ActorCritic",
        "Acts",
        "HasBootstrap",
        "HasCritic",
        "HasNoise",
        "HasPolicy",
        "HasPosterior",
        "HasTemperature",
        "SoftActorCritic",
        "TemporalDifference",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ActorCritic",
    "ActorCriticOptions",
    "ActorOptions",
    "Acts",
    "CriticOptions",
    "HasBootstrap",
    "HasCritic",
    "HasNoise",
    "HasPolicy",
    "HasPosterior",
    "HasTemperature",
    "OffPolicyAgent",
    "OffPolicyOptions",
    "OnPolicyAgent",
    "OnPolicyOptions",
    "OptimizerName",
    "OptimizerOptions",
    "SoftActorCritic",
    "TemporalDifference",
    "TwinCriticOptions",
    "make_optimizer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unified.agents' has no attribute {name!r}")
    from importlib import import_module

    attribute = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = attribute
    return attribute


def __dir__() -> list[str]:
    return sorted(__all__)
