"""Temporal differences: which rows are drawn more often, and random mixtures of critics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.spec import Space
from unified.core.replay.backing import RamBacking
from unified.core.replay.batch import Batch
from unified.core.replay.store import Store, columns_of
from unified.core.replay.views import Transitions
from unified.plugins.architectures.heads.policies import Categorical, Deterministic, Gaussian, TanhGaussian, TruncatedNormal
from unified.plugins.architectures.heads.values import CategoricalValue, QuantileValue, ScalarValue
from unified.plugins.objectives.nll.objective import NLL
from unified.plugins.objectives.td.objective import TD
from unified.plugins.samplers.prioritised.sampler import Prioritised

ATOMS = torch.linspace(-4.0, 4.0, 9)


def rows(count: int, **columns: torch.Tensor) -> Batch:
    zeros = torch.zeros(count)
    return Batch(
        **{"features": zeros, "action": zeros, "reward": zeros, "discount": torch.ones(count), "weight": torch.ones(count), **columns}
    )


def judged(value: Any, target: Any) -> Any:
    return SimpleNamespace(critic=lambda features, action: value, bootstrap=lambda batch: target)


@pytest.mark.parametrize("members", [1, 2, 5])
@pytest.mark.parametrize("huber", [None, 1.0])
def test_rows_with_errors_of_one_and_two_are_drawn_one_to_two(huber: float | None, members: int) -> None:
    """PER: the squared error as priority, and the number of critics in it."""
    value = ScalarValue(torch.tensor([[1.0, -2.0]]).expand(members, 2).clone().requires_grad_(), huber)
    priority = TD()(judged(value, ScalarValue(torch.zeros(1, 2), huber)), rows(2)).priority
    sampler = Prioritised(alpha=1.0, eps=1e-12)
    sampler.setup(Store(columns_of({"obs": Space((1,), "float32")}, Space((1,), "float32")), 2, 1, RamBacking()), Transitions())
    sampler.add(np.arange(2))
    sampler.update_priorities(np.arange(2), priority.numpy())
    drawn = sampler.tree.find((np.arange(3000) + 0.5) / 3000 * sampler.tree.total)
    assert np.bincount(drawn).tolist() == [1000, 2000]


def test_priorities_take_no_importance_weight_and_no_gradient() -> None:
    """PER: priority taken after the importance weight."""
    value = ScalarValue(torch.tensor([[1.0, 2.0]], requires_grad=True))
    priority = TD()(judged(value, ScalarValue(torch.zeros(1, 2))), rows(2, weight=torch.tensor([0.1, 0.7]))).priority
    assert priority.tolist() == [1.0, 2.0]
    assert not priority.requires_grad


def test_a_distribution_that_is_predicted_exactly_has_no_priority_however_wide_it_is() -> None:
    logits = torch.stack([torch.zeros(9), torch.arange(9.0), torch.zeros(9)])[None]
    wanted = torch.stack([torch.zeros(9), torch.arange(9.0), torch.eye(9)[4] * 3.0])[None]
    found = CategoricalValue(logits, ATOMS).td_error(CategoricalValue(wanted, ATOMS))
    assert found[:2].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    p = wanted[0, 2].softmax(-1)
    assert found[2].item() == pytest.approx(sum(float(x * (x * 9).log()) for x in p), rel=1e-5)


def test_the_priority_of_distributions_is_the_divergence_from_the_target_averaged_over_the_members() -> None:
    generator = torch.Generator().manual_seed(0)
    own, wanted = torch.randn(2, 3, 9, generator=generator), torch.randn(1, 3, 9, generator=generator)
    delta = torch.tensor([0.5, 0.0, -0.25])
    value, target = CategoricalValue(own, ATOMS), CategoricalValue(wanted, ATOMS)
    expected = [torch.distributions.kl_divergence(*map(_categorical, (wanted[0], own[member]))) for member in range(2)]
    torch.testing.assert_close(value.td_error(target), sum(expected) / 2)
    shifted = value.shift(delta).td_error(target.shift(delta).backup(torch.zeros(3), torch.ones(3)))
    assert (shifted >= 0).all()
    certain = target.backup(torch.ones(3), torch.zeros(3))  # log 0 times 0
    assert value.td_error(certain).isfinite().all()


def _categorical(logits: torch.Tensor) -> torch.distributions.Categorical:
    return torch.distributions.Categorical(logits=logits)


@pytest.mark.parametrize("count", [5, 4])
def test_the_priority_of_quantiles_is_the_mean_difference_between_them_in_order(count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    own, wanted = torch.randn(2, 3, 5, generator=generator), 2 * torch.randn(1, 3, count, generator=generator)
    found = QuantileValue(own).td_error(QuantileValue(wanted))
    for row in range(3):
        expected, steps = 0.0, 5 * count
        for member in range(2):
            ours, theirs = sorted(own[member, row].tolist()), sorted(wanted[0, row].tolist())
            expected += sum(abs(ours[i * 5 // steps] - theirs[i * count // steps]) for i in range(steps)) / steps / 2
        assert found[row].item() == pytest.approx(expected, rel=1e-5)
    certain = QuantileValue(torch.full((1, 2, 5), 3.0)).td_error(QuantileValue(torch.tensor([1.0, 5.0]).view(1, 2, 1).expand(1, 2, 5)))
    assert certain.tolist() == [2.0, 2.0]  # |δ|
    same = QuantileValue(wanted)
    assert same.td_error(same).tolist() == [0.0] * 3


# Imitation ----------------------------------------------------------------------------------------------------------------------

MEAN = torch.zeros(4, 2)
DENSITIES = {
    "sharp": lambda features: TruncatedNormal(MEAN, 0.01),
    "normal": lambda features: Gaussian(MEAN, torch.tensor(-4.0)),
    "squashed": lambda features: TanhGaussian(MEAN, torch.full((4, 2), -4.0)),
    "certain": lambda features: Deterministic(MEAN),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_the_worse_a_density_fits_a_row_the_oftener_it_is_drawn(name: str) -> None:
    """Imitation: -log π of a density is negative for the best rows, and its size ranked them first."""
    action = torch.tensor([0.0, 0.01, 0.1, 0.9])[:, None].expand(4, 2)
    loss = NLL()(SimpleNamespace(policy=DENSITIES[name]), rows(4, action=action))
    found = loss.priority.tolist()
    assert found[0] == pytest.approx(0.0, abs=1e-6)
    assert 0 <= found[0] < found[1] < found[2] < found[3]


def test_the_priority_of_a_choice_is_its_cross_entropy_without_smoothing() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]])
    agent = SimpleNamespace(policy=Categorical)
    batch = rows(3, features=logits, action=torch.zeros(3, dtype=torch.long))
    plain, smooth = (NLL(smoothing=share)(agent, batch).priority for share in (0.0, 0.3))
    assert plain.tolist() == pytest.approx([float(-row.log_softmax(-1)[0]) for row in logits])
    assert torch.equal(plain, smooth)


# Mixtures -----------------------------------------------------------------------------------------------------------------------


def test_a_mixture_is_of_prediction_and_target_and_moves_each_member_by_its_share() -> None:
    """REM: members that are each regressed on a mixed target."""
    generator = torch.Generator().manual_seed(2)
    own = torch.randn(3, 5, generator=generator).requires_grad_()
    wanted = torch.randn(3, 5, generator=generator)
    alpha = torch.tensor([0.2, 0.5, 0.3])
    mixture = alpha.expand(5, 3)
    loss = TD()(judged(ScalarValue(own), ScalarValue(wanted).mixture(mixture)), rows(5, mixture=mixture))
    expected = sum((sum(alpha[k] * (own[k, row] - wanted[k, row]) for k in range(3))).item() ** 2 for row in range(5)) / 5
    assert loss.value.item() == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.value, [own])
    torch.testing.assert_close(gradient / alpha[:, None], (gradient / alpha[:, None])[:1].expand(3, 5))
    assert (gradient != 0).all()
