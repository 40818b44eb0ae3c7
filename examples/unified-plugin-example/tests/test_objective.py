from __future__ import annotations

from types import SimpleNamespace

import torch
from unified import Batch

from unified_plugin_example.objective import Decorrelate


def loss_of(features: torch.Tensor) -> float:
    return float(Decorrelate(weight=1.0)(SimpleNamespace(), Batch(features=features)).value)


def test_constant_features_cost_the_missing_standard_deviation() -> None:
    assert abs(loss_of(torch.zeros(16, 3)) - (1 - 1e-4**0.5)) < 1e-6


def test_equal_features_cost_their_covariance() -> None:
    column = torch.tensor([-2.0, 2.0]).repeat(50)[:, None]
    variance = column.var().item()
    assert abs(loss_of(torch.cat([column, column], 1)) - variance**2) < 1e-3
    assert loss_of(column) == 0.0


def test_its_gradient_raises_the_variance() -> None:
    features = (torch.randn(64, 4, generator=torch.Generator().manual_seed(0)) * 0.01).requires_grad_()
    loss = Decorrelate()(SimpleNamespace(), Batch(features=features)).value
    (gradient,) = torch.autograd.grad(loss, features)
    assert features.sub(gradient, alpha=100.0).std() > features.std()
