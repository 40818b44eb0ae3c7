"""How values and policies are represented, and networks that give them: what agents and objectives of plugins are written with.

A value or a policy is a distribution with a contract, `Value` or `Policy`; ``td`` and ``dpg`` work with every member of these.

>>> import torch
>>> value = ScalarValue(torch.tensor([[1.0, 2.0], [3.0, 0.0]]))  # two critics, two rows
>>> value.least().backup(torch.ones(2), torch.full((2,), 0.5))
tensor([1.5000, 1.0000])
"""

from __future__ import annotations

from unified.core.heads import Policy, Value
from unified.plugins.architectures.heads import ScalarValue, TruncatedNormal
from unified.plugins.architectures.mlp import MLP, EnsembleMLP

__all__ = ["MLP", "EnsembleMLP", "Policy", "ScalarValue", "TruncatedNormal", "Value"]
