"""Representations of values and policies, and networks that output them, for agents and objectives of plugins.

`Value` and `Policy` are the contracts of these distributions; ``td``, ``dpg`` and ``sac_actor`` work with all of them.

>>> import torch
>>> value = ScalarValue(torch.tensor([[1.0, 2.0], [3.0, 0.0]]))  # two critics, two rows
>>> value.least().backup(torch.ones(2), torch.full((2,), 0.5)).mean
tensor([[1.5000, 1.0000]])
"""

from __future__ import annotations

from unified.core.learn.distributions import Policy, Value
from unified.plugins.architectures.actors import Actor
from unified.plugins.architectures.critics import ChoiceCritic, Critic
from unified.plugins.architectures.heads.modules import PolicyHead, ValueHead
from unified.plugins.architectures.heads.policies import Categorical, Deterministic, Gaussian, TanhGaussian, TruncatedNormal
from unified.plugins.architectures.heads.values import CategoricalValue, QuantileValue, ScalarValue
from unified.plugins.architectures.mlp.network import MLP, EnsembleMLP

__all__ = [
    "MLP",
    "Actor",
    "Categorical",
    "CategoricalValue",
    "ChoiceCritic",
    "Critic",
    "Deterministic",
    "EnsembleMLP",
    "Gaussian",
    "Policy",
    "PolicyHead",
    "QuantileValue",
    "ScalarValue",
    "TanhGaussian",
    "TruncatedNormal",
    "Value",
    "ValueHead",
]
