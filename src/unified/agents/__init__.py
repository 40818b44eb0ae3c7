"""Bases, options and types for agents: the built-in agents use them, and plugins can.

`OffPolicyAgent` and `OnPolicyAgent` come with options to inherit; the protocols say what objectives ask of an agent. Names are imported
when they are first used, so that options do not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.lazy import lazy_exports

if TYPE_CHECKING:
    from unified.agents.off_policy import OffPolicyAgent
    from unified.agents.on_policy import OnPolicyAgent
    from unified.agents.options import (
        ActorCriticOptions,
        ActorOptions,
        CriticOptions,
        NoiseOptions,
        OffPolicyOptions,
        OnPolicyOptions,
        PolicyGradientOptions,
        RolloutOptions,
        TwinCriticOptions,
    )
    from unified.core.components.options import BudgetScheduleText, ScheduleText
    from unified.core.learn.optim import make_optimizer
    from unified.core.learn.options import OptimizerName, OptimizerOptions, PartOptimizerOptions
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
    from unified.core.learn.returns import standardised

#: Where each public name is defined.
_HOMES = {
    "unified.agents.off_policy": ("OffPolicyAgent",),
    "unified.agents.on_policy": ("OnPolicyAgent",),
    "unified.agents.options": (
        "ActorCriticOptions",
        "ActorOptions",
        "CriticOptions",
        "NoiseOptions",
        "OffPolicyOptions",
        "OnPolicyOptions",
        "PolicyGradientOptions",
        "RolloutOptions",
        "TwinCriticOptions",
    ),
    "unified.core.components.options": ("BudgetScheduleText", "ScheduleText"),
    "unified.core.learn.optim": ("make_optimizer",),
    "unified.core.learn.returns": ("standardised",),
    "unified.core.learn.options": ("OptimizerName", "OptimizerOptions", "PartOptimizerOptions"),
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
__all__ = [
    "ActorCritic",
    "ActorCriticOptions",
    "ActorOptions",
    "Acts",
    "BudgetScheduleText",
    "CriticOptions",
    "HasBootstrap",
    "HasCritic",
    "HasNoise",
    "HasPolicy",
    "HasPosterior",
    "HasTemperature",
    "NoiseOptions",
    "OffPolicyAgent",
    "OffPolicyOptions",
    "OnPolicyAgent",
    "OnPolicyOptions",
    "OptimizerName",
    "OptimizerOptions",
    "PartOptimizerOptions",
    "PolicyGradientOptions",
    "RolloutOptions",
    "ScheduleText",
    "SoftActorCritic",
    "TemporalDifference",
    "TwinCriticOptions",
    "make_optimizer",
    "standardised",
]


__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
