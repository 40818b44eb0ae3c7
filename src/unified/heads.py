"""How values and policies are represented, and networks that give them: what agents and objectives of plugins are written with.

A value or a policy is a distribution with a contract, `Value` or `Policy`; ``td``, ``dpg`` and ``maxent`` work with every member of these.

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
