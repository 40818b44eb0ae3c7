"""Policies against numerical references."""

from __future__ import annotations

import math

import pytest
import torch

from unified.plugins.architectures.heads.modules import TruncatedNormalHead
from unified.plugins.architectures.heads.policies import Categorical, Deterministic, Gaussian, TanhGaussian, TruncatedNormal
from unified.plugins.architectures.heads.values import ScalarValue


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tanh_gaussian_is_the_change_of_variables() -> None:
    mean, log_std = torch.tensor([[0.3, -1.0]], dtype=torch.float64), torch.tensor([[-0.5, 0.2]], dtype=torch.float64)
    policy = TanhGaussian(mean, log_std)
    action, log_prob = policy.sample_and_log_prob(generator())
    # The density of each number from differences of its distribution function, Φ((atanh a - μ) / σ).
    width = 1e-6
    normal = torch.distributions.Normal(mean, log_std.exp())
    density = (normal.cdf((action + width).atanh()) - normal.cdf((action - width).atanh())) / (2 * width)
    torch.testing.assert_close(log_prob, density.log().sum(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(policy.log_prob(action), log_prob)


def test_tanh_gaussian_integrates_to_one() -> None:
    policy = TanhGaussian(torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[-0.3]], dtype=torch.float64))
    grid = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1, None]
    assert (policy.log_prob(grid).exp().sum() * 1e-5).item() == pytest.approx(1.0, abs=1e-4)


def test_tanh_gaussian_is_stable_where_tanh_is_one() -> None:
    mean = torch.full((1, 1), 20.0, requires_grad=True)
    policy = TanhGaussian(mean, torch.zeros(1, 1))
    action, log_prob = policy.sample_and_log_prob(generator())
    assert action.item() == 1.0
    before = 20.0 + torch.randn(1, 1, generator=generator())
    expected = torch.distributions.Normal(20.0, 1.0).log_prob(before).item() - 2 * (math.log(2) - before.item())
    assert log_prob.item() == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(log_prob.sum(), [mean])
    assert gradient.item() == pytest.approx(2.0)
    assert policy.log_prob(torch.ones(1, 1)).isfinite().all()


def test_entropies_are_the_mean_of_minus_log_prob() -> None:
    mean, log_std = torch.tensor([[0.5, -0.2]]), torch.tensor([[-0.4, 0.3]])
    for policy in (TanhGaussian, Gaussian):
        drawn = policy(mean.expand(200_000, 2), log_std.expand(200_000, 2)).sample_and_log_prob(generator())[1]
        assert policy(mean, log_std).entropy().item() == pytest.approx(-drawn.mean().item(), abs=0.01)
    choices = Categorical(torch.tensor([[0.1, 1.0, -1.0]]))
    by_hand = -sum(p * math.log(p) for p in choices.probabilities[0].tolist())
    assert choices.entropy().item() == pytest.approx(by_hand, rel=1e-5)
    fixed = TruncatedNormal(mean, 0.2)
    assert fixed.entropy().item() == pytest.approx(torch.distributions.Normal(0, 0.2).entropy().item() * 2, rel=1e-5)
    assert Deterministic(mean).entropy().tolist() == [0.0]


def test_choices_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0])
    policy = Categorical(logits.expand(30_000, 3))
    action, log_prob = policy.sample_and_log_prob(generator())
    assert action.dtype == torch.int64
    assert action.shape == (30_000,)
    torch.testing.assert_close(torch.bincount(action) / 30_000, logits.softmax(-1), atol=0.01, rtol=0)
    torch.testing.assert_close(log_prob, logits.log_softmax(-1)[action])
    assert policy.mode.unique().tolist() == [0]
    with pytest.raises(TypeError, match="expectation"):
        policy.rsample(generator())


def test_several_choices_are_independent() -> None:
    policy = Categorical(torch.randn(5, 2, 3, generator=generator()))
    action = policy.sample(generator(1))
    assert action.shape == policy.mode.shape == (5, 2)
    each = [Categorical(policy.log_probabilities[:, d]) for d in range(2)]
    torch.testing.assert_close(policy.log_prob(action), sum(one.log_prob(action[:, d]) for d, one in enumerate(each)))
    torch.testing.assert_close(policy.entropy(), each[0].entropy() + each[1].entropy())


def test_expectation_is_exact_for_choices_and_a_draw_for_numbers() -> None:
    logits = torch.randn(4, 3, generator=generator(), requires_grad=True)
    choices, values = Categorical(logits), torch.randn(1, 4, 3, generator=generator(1))
    value, log_prob = choices.expectation(lambda action: ScalarValue(values) if action is None else pytest.fail("asked"), generator())
    torch.testing.assert_close(value.mean, (choices.probabilities * values).sum(-1))
    torch.testing.assert_close(log_prob, (choices.probabilities * choices.log_probabilities).sum(-1))
    assert torch.autograd.grad(value.mean.sum(), [logits])[0].abs().sum() > 0

    mean = torch.zeros(4, 2, requires_grad=True)
    value, log_prob = TanhGaussian(mean, torch.zeros(4, 2)).expectation(lambda action: ScalarValue(action.sum(-1)[None]), generator())
    action, expected = TanhGaussian(mean, torch.zeros(4, 2)).sample_and_log_prob(generator())
    torch.testing.assert_close(value.mean[0], action.sum(-1))
    torch.testing.assert_close(log_prob, expected)
    assert torch.autograd.grad(value.mean.sum(), [mean])[0].abs().sum() > 0


def test_imitating_a_deterministic_policy_is_regression() -> None:
    action = torch.randn(3, 2, generator=generator(), requires_grad=True)
    goal = torch.randn(3, 2, generator=generator(1))
    (gradient,) = torch.autograd.grad(-Deterministic(action).log_prob(goal).sum(), [action])
    torch.testing.assert_close(gradient, action.detach() - goal)


def test_a_truncated_normals_deviation_follows_its_schedule_and_acting_is_not_clipped() -> None:
    head, raw = TruncatedNormalHead("linear(1.0,0.1,100)", 0.3), torch.zeros(1, 2)
    assert [head.policy(raw, step).std for step in (0, 50, 1000)] == pytest.approx([1.0, 0.55, 0.1])
    assert head.policy(raw, 0).clip == 0.3
    assert head.policy(raw, 0, acting=True).clip is None


def test_logits_that_are_none_give_some_choice_and_no_probability() -> None:
    policy = Categorical(torch.full((3, 4), math.nan))
    action, log_prob = policy.sample_and_log_prob(generator())
    assert ((action >= 0) & (action < 4)).all()
    assert log_prob.isnan().all()


def test_a_clamped_draw_has_the_gradient_of_one_that_is_not() -> None:
    """Straight-through clamp: gradient zero, or that of a plain clamp."""
    mean = torch.tensor([[0.999, -0.999, 0.0]], requires_grad=True)
    drawn = TruncatedNormal(mean, std=1.0, clip=None).rsample(torch.Generator().manual_seed(1))
    assert (drawn.detach().abs() > 0.99).any()  # some are at the bound
    torch.testing.assert_close(torch.autograd.grad(drawn.sum(), mean)[0], torch.ones(1, 3))
