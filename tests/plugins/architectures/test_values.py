"""Values against slow references, written from the papers' equations with loops."""

from __future__ import annotations

import math

import pytest
import torch

from unified.core.learn.distributions import Value
from unified.plugins.architectures.critics import soft_log_policy, soft_maximum
from unified.plugins.architectures.heads.values import CategoricalValue, HistogramValue, QuantileValue, ScalarValue, project, spread

ATOMS = torch.linspace(-2.0, 2.0, 5)
KINDS = ("scalar", "categorical", "quantile", "levels", "two_hot", "hl_gauss")


def make(kind: str, *shape: int, seed: int = 0, grad: bool = False) -> Value:
    """A value of leading dimensions `shape`, five numbers each where it has some."""
    numbers = torch.randn(*shape, *(() if kind == "scalar" else (5,)), generator=torch.Generator().manual_seed(seed))
    numbers.requires_grad_(grad)
    levels = torch.rand(shape[1], 5, generator=torch.Generator().manual_seed(seed))
    return {
        "scalar": lambda: ScalarValue(numbers),
        "categorical": lambda: CategoricalValue(numbers, ATOMS),
        "quantile": lambda: QuantileValue(numbers),
        "levels": lambda: QuantileValue(numbers, 1.0, levels),
        "two_hot": lambda: HistogramValue(numbers, ATOMS),
        "hl_gauss": lambda: HistogramValue(numbers, ATOMS, sigma=0.75),
    }[kind]()


def slow_projection(probabilities: torch.Tensor, returns: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """Algorithm 1 of Bellemare et al. 2017, one atom at a time; where b is an integer, all of its mass goes there."""
    low, high, step = atoms[0].item(), atoms[-1].item(), (atoms[1] - atoms[0]).item()
    spread = [0.0] * len(atoms)
    for p, z in zip(probabilities.tolist(), returns.tolist(), strict=True):
        b = (min(max(z, low), high) - low) / step
        below, above = math.floor(b), math.ceil(b)
        if below == above:
            spread[below] += p
        else:
            spread[below] += p * (above - b)
            spread[above] += p * (b - below)
    return torch.tensor(spread)


def test_projection_is_the_papers_algorithm() -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.rand(2, 7, 5, generator=generator).softmax(-1)
    returns = torch.randn(2, 7, 5, generator=generator) * 3
    expected = [[slow_projection(probabilities[e, b], returns[e, b], ATOMS) for b in range(7)] for e in range(2)]
    torch.testing.assert_close(project(probabilities, returns, ATOMS), torch.stack([torch.stack(row) for row in expected]))


@pytest.mark.parametrize("atoms", [torch.linspace(-10, 10, 51), torch.linspace(0.0, 100.0, 51), torch.linspace(-1.0, 0.3, 7)])
def test_projection_loses_no_mass_where_b_is_an_integer_at_the_end_or_beyond(atoms: torch.Tensor) -> None:
    """C51: projection loses mass when b is an integer."""
    count = len(atoms)
    probabilities = torch.rand(4, count, generator=torch.Generator().manual_seed(0)).softmax(-1)
    on_atoms = project(probabilities, atoms.expand(4, -1), atoms)
    torch.testing.assert_close(on_atoms, probabilities, atol=1e-5, rtol=1e-4)
    for returns in (torch.full((4, count), 1e6), torch.full((4, count), -1e6), atoms[[count // 2]].expand(4, count)):
        spread = project(probabilities, returns, atoms)
        torch.testing.assert_close(spread.sum(-1), torch.ones(4))
        assert (spread > 0.99).sum() == 4  # all of it in one place


def test_a_terminal_state_is_worth_its_reward_alone_as_a_distribution() -> None:
    value = CategoricalValue(torch.randn(1, 2, 5), ATOMS)
    target = value.backup(torch.tensor([1.0, 0.5]), torch.zeros(2))
    torch.testing.assert_close(target.probabilities[0], torch.tensor([[0, 0, 0, 1.0, 0], [0, 0, 0.5, 0.5, 0]]))
    torch.testing.assert_close(target.mean, torch.tensor([[1.0, 0.5]]))


def test_cross_entropy_with_certainty_and_impossibility_is_finite() -> None:
    """C51: log 0."""
    logits = torch.tensor([[[0.0, 200.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    target = CategoricalValue(torch.randn(1, 1, 5), ATOMS).backup(torch.tensor([1.0]), torch.zeros(1))
    loss = CategoricalValue(logits, ATOMS).loss(target)
    assert loss.item() == pytest.approx(200.0)
    (gradient,) = torch.autograd.grad(loss.sum(), [logits])
    torch.testing.assert_close(gradient, torch.tensor([[[0.0, 1.0, 0.0, -1.0, 0.0]]]))


def test_cross_entropy_is_the_double_loop() -> None:
    value, target = make("categorical", 2, 3), make("categorical", 1, 3, seed=1)
    found = value.loss(target)
    for row in range(3):
        p = target.numbers[0, row].softmax(-1)
        expected = sum(-p[i] * math.log(value.numbers[e, row].softmax(-1)[i]) for e in range(2) for i in range(5))
        assert found[row].item() == pytest.approx(float(expected), rel=1e-5)


def test_greedy_is_the_greatest_expectation_and_not_the_greatest_probability() -> None:
    """C51: greedy action from mean probability (always 1/N)."""
    certain, spread = torch.tensor([0.0, 0, 9.0, 0, 0]), torch.tensor([0.0, 0, 0, 1.0, 1.0])
    value = CategoricalValue(torch.stack([certain, spread])[None, None], ATOMS)
    assert value.greedy.tolist() == [1]
    assert value.mean[0, 0].tolist() == pytest.approx([float(each.softmax(-1) @ ATOMS) for each in (certain, spread)])


@pytest.mark.parametrize("huber", [1.0, 0.3, 0.0])
def test_quantile_loss_is_the_double_loop(huber: float) -> None:
    """QR-DQN: elementwise instead of N×N pairwise loss."""
    generator = torch.Generator().manual_seed(2)
    value = QuantileValue(torch.randn(2, 3, 5, generator=generator), huber)
    target = QuantileValue(torch.randn(1, 3, 4, generator=generator) * 2, huber)
    found = value.loss(target)
    for row in range(3):
        expected = 0.0
        for member in range(2):
            for i in range(5):
                for j in range(4):
                    u = (target.numbers[0, row, j] - value.numbers[member, row, i]).item()
                    size = abs(u) if huber == 0 else (u * u / 2 if abs(u) <= huber else huber * (abs(u) - huber / 2)) / huber
                    expected += abs((2 * i + 1) / 10 - (u < 0)) * size / 4
        assert found[row].item() == pytest.approx(expected, rel=1e-5)


def test_quantile_loss_is_least_at_the_targets_quantiles() -> None:
    target = QuantileValue(torch.arange(100.0)[None, None], 0.0)
    numbers = torch.zeros(1, 1, 4, requires_grad=True)
    optimizer = torch.optim.Adam([numbers], lr=1.0)
    for _ in range(400):
        (gradient,) = torch.autograd.grad(QuantileValue(numbers, 0.0).loss(target).sum(), [numbers])
        numbers.grad = gradient
        optimizer.step()
    assert numbers.detach().flatten().tolist() == pytest.approx([12, 37, 62, 87], abs=3)


LEVELS = torch.rand(3, 5, generator=torch.Generator().manual_seed(9))


def slow_quantile_loss(value: torch.Tensor, target: torch.Tensor, levels: torch.Tensor, huber: float) -> torch.Tensor:
    """Equation 3 of Dabney et al. 2018 (IQN): Σ_i 1/N' Σ_j |τ_i - 1{δ_ij < 0}| H_κ(δ_ij) / κ, with the levels of each row of the value."""
    rows = []
    for row in range(len(value)):
        total = 0.0
        for i in range(value.shape[1]):
            for j in range(target.shape[1]):
                delta = (target[row, j] - value[row, i]).item()
                size = delta**2 / 2 if abs(delta) <= huber else huber * (abs(delta) - huber / 2)
                total += abs(levels[row, i].item() - (delta < 0)) * size / huber / target.shape[1]
        rows.append(total)
    return torch.tensor(rows)


@pytest.mark.parametrize("huber", [1.0, 0.3])
def test_the_loss_at_drawn_levels_is_the_double_loop_with_those_of_the_prediction(huber: float) -> None:
    """IQN: the levels of prediction and target swapped; κ not divided out; the same levels for all rows."""
    generator = torch.Generator().manual_seed(2)
    own, wanted = torch.randn(1, 3, 5, generator=generator), 2 * torch.randn(1, 3, 5, generator=generator)
    others = torch.rand(3, 5, generator=generator)
    found = QuantileValue(own, huber, LEVELS).loss(QuantileValue(wanted, huber, others))
    torch.testing.assert_close(found, slow_quantile_loss(own[0], wanted[0], LEVELS, huber))
    for wrong in (others, LEVELS[:1].expand(3, 5), ((torch.arange(5) + 0.5) / 5).expand(3, 5)):
        assert not torch.isclose(found, slow_quantile_loss(own[0], wanted[0], wrong, huber))[1:].any()
    if huber != 1.0:
        assert not torch.isclose(found, huber * slow_quantile_loss(own[0], wanted[0], LEVELS, huber)).any()


def test_shift_and_backup_move_numbers_and_leave_their_levels() -> None:
    value = make("levels", 2, 3, 4)
    for moved in (
        value.shift(torch.ones(3)),
        value.backup(torch.ones(3), torch.ones(3)),
        value.gather(torch.tensor([3, 0, 2])),
        value.min(),
    ):
        assert moved.levels is value.levels


@pytest.mark.parametrize("value", [-2.0, -1.3, 0.0, 0.5, 1.999, 2.0])
def test_two_hot_lies_on_the_two_atoms_beside_a_return_and_has_its_mean(value: float) -> None:
    """Two-hot: the index that wraps at the greatest return, and mass that is lost there."""
    found = spread(torch.tensor([[value]]), ATOMS)[0]
    assert found.sum().item() == pytest.approx(1.0)
    assert (found @ ATOMS).item() == pytest.approx(value, abs=1e-6)
    assert (found > 0).sum() == (1 if value in ATOMS.tolist() else 2)
    torch.testing.assert_close(found, slow_projection(torch.ones(1), torch.tensor([value]), ATOMS))
    beyond = spread(torch.tensor([[100.0], [-100.0]]), ATOMS)
    assert beyond.tolist() == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]


def test_hl_gauss_is_a_normal_distribution_cut_into_bins_around_the_atoms() -> None:
    atoms, sigma = torch.linspace(-10.0, 10.0, 51), 0.75
    normal = torch.distributions.Normal(3.1, sigma * 0.4)
    found = spread(torch.tensor([[3.1]]), atoms, sigma)[0]
    expected = torch.stack([normal.cdf(atom + 0.2) - normal.cdf(atom - 0.2) for atom in atoms])
    torch.testing.assert_close(found, expected / expected.sum(), atol=1e-6, rtol=1e-4)
    assert (found @ atoms).item() == pytest.approx(3.1, abs=1e-4)
    for value in (-10.0, 10.0, 1e6):
        edge = spread(torch.tensor([[value]]), atoms, sigma)[0]
        assert edge.sum().item() == pytest.approx(1.0)
        assert edge.argmax() == (0 if value < 0 else 50)


@pytest.mark.parametrize("sigma", [0.0, 0.75])
def test_a_histogram_is_a_number_and_backs_up_its_mean_alone(sigma: float) -> None:
    """Two-hot: the distribution backed up as if it were one of returns (C51)."""
    target = HistogramValue(torch.randn(1, 3, 51, generator=torch.Generator().manual_seed(0)), torch.linspace(-10.0, 10.0, 51), sigma=sigma)
    backed = target.backup(torch.tensor([1.0, 0.5, 2.0]), torch.tensor([0.9, 0.5, 0.0]))
    torch.testing.assert_close(
        backed.mean, torch.tensor([1.0, 0.5, 2.0]) + torch.tensor([0.9, 0.5, 0.0]) * target.mean, atol=1e-4, rtol=1e-4
    )
    assert (backed.probabilities > 1e-6).sum(dim=-1).max() <= (2 if sigma == 0 else 12)  # and not 51
    uniform = HistogramValue(torch.zeros(1, 3, 51), target.atoms, sigma=sigma)
    expected = -(backed.probabilities[0] * math.log(1 / 51)).sum(-1)
    torch.testing.assert_close(uniform.loss(backed), expected)
    torch.testing.assert_close(target.td_error(backed), (target.mean - backed.mean).abs()[0])


def test_a_histogram_learns_a_number_between_its_atoms() -> None:
    for sigma in (0.0, 0.75):
        logits = torch.zeros(1, 1, 11, requires_grad=True)
        atoms, optimizer = torch.linspace(-5.0, 5.0, 11), torch.optim.Adam([logits], lr=0.1)
        target = HistogramValue(logits.detach(), atoms, sigma=sigma).backup(torch.tensor([1.37]), torch.zeros(1))
        for _ in range(300):
            (logits.grad,) = torch.autograd.grad(HistogramValue(logits, atoms, sigma=sigma).loss(target).sum(), [logits])
            optimizer.step()
        assert HistogramValue(logits, atoms, sigma=sigma).mean.item() == pytest.approx(1.37, abs=0.05)


# Soft maxima ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choices", [(4,), (6, 4)])
def test_a_soft_maximum_is_the_logarithm_of_the_sum(kind: str, choices: tuple[int, ...]) -> None:
    value, temperature = make(kind, 1, 3, *choices), 0.7
    expected = temperature * (value.mean[0] / temperature).logsumexp(-1)
    expected = expected.mean(-1) if len(choices) == 2 else expected
    torch.testing.assert_close(soft_maximum(value, temperature).mean[0], expected, atol=1e-5, rtol=1e-5)
    nearly = soft_maximum(value, 1e-3).mean[0]
    torch.testing.assert_close(nearly, value.gather(value.greedy).mean[0], atol=2e-2, rtol=0)


def test_the_log_policy_is_finite_where_probabilities_round_to_nothing() -> None:
    """Munchausen: the logarithm of a softmax that underflows."""
    q, temperature = torch.tensor([[[10.0, 0.0, 9.99]]]), 0.03
    found = soft_log_policy(ScalarValue(q), temperature)
    wrong = temperature * (q[0] / temperature).softmax(-1).log()
    assert wrong.isinf().any()
    assert found.isfinite().all()
    assert found[0, 1].item() == pytest.approx(-10.0, abs=0.02)
    assert soft_maximum(ScalarValue(q), temperature).mean.isfinite().all()


def test_scalar_loss_is_squared_or_hubers() -> None:
    value, target = torch.tensor([[0.0, 0.0], [3.0, 0.5]]), ScalarValue(torch.tensor([[2.0, 0.25]]))
    assert ScalarValue(value).loss(target).tolist() == [4 + 1, 0.0625 + 0.0625]
    assert ScalarValue(value, 1.0).loss(target).tolist() == [1.5 + 0.5, 0.03125 + 0.03125]


@pytest.mark.parametrize("kind", KINDS)
def test_at_picks_each_rows_choice(kind: str) -> None:
    value, action = make(kind, 2, 3, 4), torch.tensor([3, 0, 2])
    chosen = value.gather(action)
    assert chosen.mean.shape == (2, 3)
    for row, choice in enumerate(action.tolist()):
        torch.testing.assert_close(chosen.mean[:, row], value.mean[:, row, choice])


@pytest.mark.parametrize("kind", KINDS)
def test_several_choices_are_worth_their_average(kind: str) -> None:
    value, action = make(kind, 2, 3, 6, 4), torch.randint(4, (3, 6), generator=torch.Generator().manual_seed(0))
    expected = torch.stack([value.mean[:, torch.arange(3), d, action[:, d]] for d in range(6)]).mean(0)
    torch.testing.assert_close(value.gather(action).mean, expected)
    assert value.greedy.shape == (3, 6)
    torch.testing.assert_close(value.gather(value.greedy).mean.mean(0), value.mean.mean(0).max(-1).values.mean(-1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choices", [(4,), (6, 4)])
def test_expected_is_the_average_over_choices_and_certainty_is_at(kind: str, choices: tuple[int, ...]) -> None:
    value = make(kind, 2, 3, *choices)
    probabilities = torch.randn(3, *choices, generator=torch.Generator().manual_seed(1)).softmax(-1).requires_grad_()
    found = value.expectation(probabilities).mean
    expected = (value.mean * probabilities).sum(-1)
    torch.testing.assert_close(found, expected.mean(-1) if len(choices) == 2 else expected)
    certain = torch.nn.functional.one_hot(value.greedy, 4).float().requires_grad_()
    torch.testing.assert_close(value.expectation(certain).mean, value.gather(value.greedy).mean)
    (gradient,) = torch.autograd.grad(value.expectation(certain).mean.sum(), [certain])
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_least_picks_a_whole_member(kind: str, shape: tuple[int, ...]) -> None:
    value = make(kind, 2, *shape)
    least = value.min()
    torch.testing.assert_close(least.mean, value.mean.min(0, keepdim=True).values)
    index = value.mean.argmin(0)
    for place in torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, len(shape)).tolist():
        assert torch.equal(least.numbers[(0, *place)], value.numbers[(int(index[tuple(place)]), *place)])
    assert {0, 1} == set(index.flatten().tolist())  # both members are the least somewhere


@pytest.mark.parametrize("kind", KINDS)
def test_average_and_mixture_are_convex_combinations(kind: str) -> None:
    value = make(kind, 3, 4, 2)
    torch.testing.assert_close(value.mean_over_ensemble().mean, value.mean.mean(0, keepdim=True))
    weights = torch.rand(4, 3, generator=torch.Generator().manual_seed(5))
    weights /= weights.sum(dim=1, keepdim=True)
    expected = torch.einsum("be,eba->ba", weights, value.mean)[None]
    torch.testing.assert_close(value.mixture(weights).mean, expected)
    chosen = value.gather(torch.tensor([0, 1, 1, 0]))
    torch.testing.assert_close(chosen.mixture(weights).mean, torch.einsum("be,eb->b", weights, chosen.mean)[None])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hl_gauss"])  # whose target has the same mean far from the ends alone
def test_shift_is_added_to_the_return_before_it_is_discounted(kind: str) -> None:
    value, delta = make(kind, 1, 3), torch.tensor([0.5, 0.0, -0.25])
    torch.testing.assert_close(value.shift(delta).mean, value.mean + delta)
    torch.testing.assert_close(value.shift(delta).shift(delta).mean, value.mean + 2 * delta)
    reward, discount = torch.tensor([0.1, -0.1, 0.0]), torch.tensor([0.5, 0.25, 0.0])
    target = value.shift(delta).backup(reward, discount)
    torch.testing.assert_close(target.mean, reward + discount * (value.mean + delta))


def test_a_shifted_distribution_is_compared_where_it_lies() -> None:
    value = make("categorical", 1, 3)
    target = make("categorical", 1, 3, seed=3).backup(torch.zeros(3), torch.full((3,), 0.3))
    shifted = value.shift(torch.ones(3)).loss(target.backup(torch.ones(3), torch.ones(3)))
    torch.testing.assert_close(shifted, value.loss(target), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_one_target_is_every_members_and_numbers_that_are_none_stay_so(kind: str) -> None:
    value, target = make(kind, 2, 3, grad=True), make(kind, 1, 3, seed=1).backup(torch.zeros(3), torch.ones(3))
    apart = sum(type_of(value, member).loss(target) for member in range(2))
    torch.testing.assert_close(value.loss(target), apart)
    broken = value.loss(make(kind, 1, 3).backup(torch.tensor([0.0, math.nan, 0.0]), torch.ones(3)))
    assert broken.isnan().tolist() == [False, True, False]


def type_of(value: Value, member: int) -> Value:
    return value._like(value.numbers[member : member + 1])
