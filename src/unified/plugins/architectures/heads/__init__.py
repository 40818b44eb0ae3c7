"""Heads: how values and policies are represented. Torch-free until a class is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified.core.components.descriptors import ArchitectureComponent
from unified.core.components.importing import import_object

if TYPE_CHECKING:
    from unified.plugins.architectures.heads.policies import (
        Categorical,
        ClippedGaussian,
        Deterministic,
        Gaussian,
        TanhGaussian,
        TruncatedNormal,
    )
    from unified.plugins.architectures.heads.values import CategoricalValue, GaussianValue, HistogramValue, QuantileValue, ScalarValue

__all__ = [
    "Categorical",
    "CategoricalValue",
    "ClippedGaussian",
    "Deterministic",
    "Gaussian",
    "GaussianValue",
    "HistogramValue",
    "QuantileValue",
    "ScalarValue",
    "TanhGaussian",
    "TruncatedNormal",
    "components",
]

_MODULES = "unified.plugins.architectures.heads.modules"
_DQN = "--agent dqn --suite gym:CartPole-v1"
_SAC = "--agent sac --suite gym:Pendulum-v1"

components = (
    ArchitectureComponent(
        name="scalar",
        places=("critic.head",),
        target=f"{_MODULES}:ScalarHead",
        summary="value head: one number, squared error or Huber's",
        example=f"{_DQN} critic.head=scalar critic.head.huber=1",
    ),
    ArchitectureComponent(
        name="categorical",
        places=("critic.head", "actor.head"),
        target=f"{_MODULES}:CategoricalHead",
        summary="value head: a distribution over fixed returns (C51); policy head: one of several choices",
        example=f"{_DQN} critic.head=categorical",
    ),
    ArchitectureComponent(
        name="quantile",
        places=("critic.head",),
        target=f"{_MODULES}:QuantileHead",
        summary="value head: returns at fixed quantiles (QR-DQN)",
        example=f"{_DQN} critic.head=quantile",
    ),
    ArchitectureComponent(
        name="implicit_quantile",
        places=("critic.head",),
        target=f"{_MODULES}:ImplicitQuantileHead",
        summary="value head: returns at quantiles whose levels are drawn and an input of the critic (IQN)",
        answers={"iqn": "critic.head=implicit_quantile"},
        example=f"{_DQN} critic.head=implicit_quantile",
    ),
    ArchitectureComponent(
        name="two_hot",
        places=("critic.head",),
        target=f"{_MODULES}:TwoHotHead",
        summary="value head: one number, regressed by classification between the two returns beside it",
        answers=dict.fromkeys(("twohot", "two-hot"), "critic.head=two_hot"),
        example=f"{_DQN} critic.head=two_hot",
    ),
    ArchitectureComponent(
        name="hl_gauss",
        places=("critic.head",),
        target=f"{_MODULES}:HLGaussHead",
        summary="value head: one number, regressed by classification with a normal distribution around it (HL-Gauss)",
        answers=dict.fromkeys(("hlgauss", "hl-gauss"), "critic.head=hl_gauss"),
        example=f"{_DQN} critic.head=hl_gauss",
    ),
    ArchitectureComponent(
        name="sigma",
        places=("critic.head",),
        target=f"{_MODULES}:SigmaHead",
        summary="value head: mean and deviation of a normal distribution of returns",
        example=f"{_SAC} critic.head=sigma",
    ),
    ArchitectureComponent(
        name="gammas",
        places=("critic.head",),
        target=f"{_MODULES}:GammasHead",
        summary="value head: returns by several discounts at once",
        example=f"{_SAC} critic.head=gammas critic.head.discounts=[0.9,0.99]",
    ),
    ArchitectureComponent(
        name="horizon",
        places=("critic.head",),
        target=f"{_MODULES}:HorizonHead",
        summary="value head: returns of the next 1, 2, … steps, without a bootstrap through itself",
        example=f"{_SAC} critic.head=horizon critic.head.steps=16",
    ),
    ArchitectureComponent(
        name="tanh_gaussian",
        places=("actor.head",),
        target=f"{_MODULES}:TanhGaussianHead",
        summary="policy head: a normal distribution squashed by tanh (SAC)",
        example=f"{_SAC} actor.head=tanh_gaussian",
    ),
    ArchitectureComponent(
        name="gaussian",
        places=("actor.head",),
        target=f"{_MODULES}:GaussianHead",
        summary="policy head: a normal distribution with a deviation that is the same in every state (IQL, AWAC)",
        example=f"{_SAC} actor.head=gaussian",
    ),
    ArchitectureComponent(
        name="truncated_normal",
        places=("actor.head",),
        target=f"{_MODULES}:TruncatedNormalHead",
        summary="policy head: noise of a scheduled deviation within the bounds (DrQ-v2)",
        example=f"{_SAC} actor.head=truncated_normal",
    ),
    ArchitectureComponent(
        name="deterministic",
        places=("actor.head",),
        target=f"{_MODULES}:DeterministicHead",
        summary="policy head: one action and no other",
        example="--agent td3 --suite gym:Pendulum-v1 actor.head=deterministic",
    ),
    ArchitectureComponent(
        name="flow",
        places=("actor.head",),
        target="unified.plugins.architectures.flow:FlowHead",
        summary="policy head: follows a learned velocity from noise to an action",
        example="--suite digits -o flow actor.head=flow",
    ),
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return import_object(f"{__name__}.{'values' if name.endswith('Value') else 'policies'}:{name}")
