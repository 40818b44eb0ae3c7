"""Representations of values and policies: distributions, and the heads that interpret the output of a network as one.

`Value` and `Policy` are the contracts of these distributions; ``td``, ``dpg`` and ``sac_actor`` work with all of them. Networks are in
`unified.nets`.

>>> import torch
>>> value = ScalarValue(torch.tensor([[1.0, 2.0], [3.0, 0.0]]))  # two critics, two rows
>>> value.min().backup(torch.ones(2), torch.full((2,), 0.5)).mean
tensor([[1.5000, 1.0000]])
"""

from __future__ import annotations

from unified.core.learn.distributions import Policy, Value
from unified.plugins.architectures.heads.modules import PolicyHead, TruncatedNormalHead, ValueHead
from unified.plugins.architectures.heads.policies import (
    Categorical,
    ClippedGaussian,
    Deterministic,
    Gaussian,
    StateDependentGaussian,
    TanhGaussian,
    TruncatedNormal,
)
from unified.plugins.architectures.heads.values import CategoricalValue, HistogramValue, QuantileValue, ScalarValue

__all__ = [
    "Categorical",
    "CategoricalValue",
    "ClippedGaussian",
    "Deterministic",
    "Gaussian",
    "HistogramValue",
    "Policy",
    "PolicyHead",
    "QuantileValue",
    "ScalarValue",
    "StateDependentGaussian",
    "TanhGaussian",
    "TruncatedNormal",
    "TruncatedNormalHead",
    "Value",
    "ValueHead",
]
