"""Objectives of data sets against their equations, row by row."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unified.core.base.rng import Streams
from unified.core.replay.batch import Batch
from unified.plugins.architectures.flow import Flow
from unified.plugins.architectures.heads.policies import Categorical, Deterministic
from unified.plugins.architectures.heads.values import ScalarValue
from unified.plugins.objectives.adversarial.objective import Adversarial, DiscriminatorLoss, GeneratorLoss
from unified.plugins.objectives.nll.objective import NLL
from unified.plugins.objectives.vae.objective import VAE


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Imitation ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_imitating_choices_is_cross_entropy_with_smoothed_labels(smoothing: float) -> None:
    logits, labels = torch.randn(7, 4, generator=generator()), torch.arange(7) % 4
    agent = SimpleNamespace(policy=Categorical)
    loss = NLL(smoothing=smoothing)(agent, Batch(features=logits, action=labels, weight=torch.ones(7)))
    torch.testing.assert_close(loss.value, F.cross_entropy(logits, labels, label_smoothing=smoothing))


def test_imitating_numbers_is_half_the_squared_error_but_for_a_constant() -> None:
    answers, targets = torch.randn(2, 5, 3, generator=generator()).unbind()
    agent = SimpleNamespace(policy=Deterministic)
    loss = NLL()(agent, Batch(features=answers, action=targets, weight=torch.ones(5)))
    wanted = 0.5 * (answers - targets).square().sum(-1).mean() + 3 * 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(loss.value, wanted)


def test_smoothing_is_for_choices() -> None:
    agent = SimpleNamespace(policy=Deterministic)
    batch = Batch(features=torch.zeros(2, 1), action=torch.zeros(2, 1), weight=torch.ones(2))
    with pytest.raises(TypeError, match="no choices"):
        NLL(smoothing=0.1)(agent, batch)


def test_weights_of_rows_count() -> None:
    logits, labels = torch.randn(3, 4, generator=generator()), torch.tensor([0, 1, 2])
    weight = torch.tensor([1.0, 0.0, 0.5])
    loss = NLL()(SimpleNamespace(policy=Categorical), Batch(features=logits, action=labels, weight=weight))
    rows = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(loss.value, (rows * weight).sum() / 3)
    torch.testing.assert_close(loss.priority, rows)


# Flows --------------------------------------------------------------------------------------------------------------------------


def flow(velocity: Any, rows: int, shape: tuple[int, ...] = (2,), steps: int = 8) -> Flow:
    return Flow(velocity, shape, rows, steps, Streams(1)["flow"], torch.device("cpu"))


def test_a_flow_is_told_by_its_velocity_between_noise_and_action() -> None:
    """The same draws, row by row: x_t = (1 - t) x₀ + t x₁, ½ ‖v - (x₁ - x₀)‖²."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def velocity(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        seen.append((x.clone(), time.clone()))
        return 3.0 * x

    action = torch.randn(6, 2, generator=generator(2))
    found = flow(velocity, 6).log_prob(action)
    draws = Streams(1)["flow"].torch("cpu")
    time, noise = torch.rand(6, generator=draws), torch.randn(6, 2, generator=draws)
    for row in range(6):
        t, start, end = time[row].item(), noise[row].tolist(), action[row].tolist()
        at = [(1 - t) * a + t * b for a, b in zip(start, end, strict=True)]
        error = sum((3.0 * x - (b - a)) ** 2 for x, a, b in zip(at, start, end, strict=True))
        assert found[row].item() == pytest.approx(-0.5 * error, rel=1e-4)
        assert seen[0][0][row].tolist() == pytest.approx(at, abs=1e-5)


def test_a_straight_flow_arrives_exactly_and_a_curved_one_almost() -> None:
    target = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    start = torch.randn(2, 2, generator=generator(3))
    straight = flow(lambda x, time: target - start, 2, steps=3)
    torch.testing.assert_close(straight.sample(generator(3)), target)
    growing = flow(lambda x, time: x, 2, steps=20)  # dx/dt = x: e times as far
    torch.testing.assert_close(growing.sample(generator(3)), math.e * start, rtol=1e-3, atol=1e-4)


def test_a_flow_draws_by_the_generator_it_is_given_and_its_mode_by_none() -> None:
    drawn = flow(lambda x, time: -x, 3)
    torch.testing.assert_close(drawn.sample(generator(1)), drawn.sample(generator(1)))
    assert not torch.equal(drawn.sample(generator(1)), drawn.sample(generator(2)))
    assert drawn.mode.tolist() == [[0.0, 0.0]] * 3


# Variational autoencoders -------------------------------------------------------------------------------------------------------


def test_the_vaes_divergence_is_that_of_two_normals() -> None:
    mean, log_variance = torch.randn(2, 4, 3, generator=generator(4)).unbind()
    agent = SimpleNamespace(
        posterior=lambda action: torch.cat([mean, log_variance], dim=-1), policy=lambda z: Deterministic(action), noise=lambda: generator(5)
    )
    action = torch.zeros(4, 2)
    loss = VAE(beta=2.0, variance=0.5)(agent, Batch(obs=torch.zeros(4, 0), action=action))
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(loss.metrics["divergence"], divergence)
    reconstruction = math.log(2 * math.pi) / 0.5  # two exact numbers: the constants alone
    torch.testing.assert_close(loss.value, reconstruction + 2.0 * divergence)


def test_what_is_observed_is_known_on_both_sides_of_the_bottleneck() -> None:
    seen: dict[str, torch.Tensor] = {}

    def posterior(inputs: torch.Tensor) -> torch.Tensor:
        seen["posterior"] = inputs
        return torch.zeros(4, 6)

    def policy(inputs: torch.Tensor) -> Deterministic:
        seen["policy"] = inputs
        return Deterministic(torch.zeros(4, 2))

    agent = SimpleNamespace(posterior=posterior, policy=policy, noise=lambda: generator(5))
    obs, action = torch.eye(4), torch.randn(4, 2, generator=generator(6))
    VAE()(agent, Batch(obs=obs, action=action))
    torch.testing.assert_close(seen["posterior"], torch.cat([action, obs], dim=1))
    torch.testing.assert_close(seen["policy"], torch.cat([torch.randn(4, 3, generator=generator(5)), obs], dim=1))


# Games --------------------------------------------------------------------------------------------------------------------------


class Players:
    """A linear critic and an actor that makes what it is told to, both with parameters."""

    def __init__(self) -> None:
        self.weight = torch.tensor([[1.0, -2.0]], requires_grad=True)
        self.made = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
        self.critic = torch.nn.Module()
        self.critic.weight = torch.nn.Parameter(torch.tensor([[1.0], [-2.0]]))
        self.critic.forward = lambda obs, action: ScalarValue((action @ self.critic.weight).T)  # type: ignore[method-assign]

    def policy(self, features: torch.Tensor) -> Deterministic:
        return Deterministic(self.made)

    def noise(self) -> torch.Generator:
        return generator()


def real() -> Batch:
    action = torch.tensor([[2.0, 0.0], [1.0, -1.0], [0.0, -3.0]])
    return Batch(obs=torch.zeros(3, 0), features=torch.zeros(3, 0), action=action)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize("kind", ["nonsaturating", "hinge", "relativistic"])
def test_both_sides_of_the_game_are_the_papers(kind: str) -> None:
    players = Players()
    judge = {
        "nonsaturating": lambda r, f: softplus(-r) + softplus(f),
        "hinge": lambda r, f: max(0.0, 1 - r) + max(0.0, 1 + f),
        "relativistic": lambda r, f: softplus(f - r),
    }[kind]
    fool = {"nonsaturating": lambda r, f: softplus(-f), "hinge": lambda r, f: -f, "relativistic": lambda r, f: softplus(r - f)}[kind]
    values = [(a - 2 * b, c - 2 * d) for (a, b), (c, d) in zip(real().action.tolist(), players.made.tolist(), strict=True)]
    assert DiscriminatorLoss(kind, 0, 0)(players, real()).value.item() == pytest.approx(sum(judge(r, f) for r, f in values) / 3, rel=1e-5)
    assert GeneratorLoss(kind)(players, real()).value.item() == pytest.approx(sum(fool(r, f) for r, f in values) / 3, rel=1e-5)


@pytest.mark.parametrize("kind", ["nonsaturating", "hinge", "relativistic"])
def test_the_critic_is_pulled_up_at_what_is_real_and_down_at_what_is_made_and_the_actor_climbs(kind: str) -> None:
    """GAN: labels of real and fake swapped."""
    players = Players()
    with torch.no_grad():
        players.critic.weight.mul_(0.1)  # nobody is sure of anything
    before = _values(players)
    gradient = torch.autograd.grad(DiscriminatorLoss(kind, 0, 0)(players, real()).value, players.critic.weight)[0]
    with torch.no_grad():
        players.critic.weight -= 0.01 * gradient
    after = _values(players)
    assert after[0] - after[1] > before[0] - before[1]
    climbed = torch.autograd.grad(GeneratorLoss(kind)(players, real()).value, players.made)[0]
    up = players.critic.weight.detach().T
    assert ((-climbed * up).sum(-1) > 0).all()


def _values(players: Players) -> tuple[float, float]:
    weight = players.critic.weight.detach()
    return (real().action @ weight).mean().item(), (players.made.detach() @ weight).mean().item()


def test_each_side_moves_its_own_part_alone() -> None:
    players = Players()
    judged = DiscriminatorLoss("relativistic", 0.1, 0.1)(players, real()).value
    assert torch.autograd.grad(judged, players.made, allow_unused=True, retain_graph=True)[0] is None
    fooled = GeneratorLoss("relativistic")(players, real()).value
    assert torch.autograd.grad(fooled, players.critic.weight, allow_unused=True)[0] is None
    critic, actor = Adversarial().phases()
    assert (critic.trains, actor.trains) == (("critic",), ("actor",))


def test_slopes_are_those_of_the_critic() -> None:
    """Of a linear critic the slope is its weight: ½ γ ‖w‖² for each of R1 and R2."""
    players = Players()
    plain = DiscriminatorLoss("relativistic", 0, 0)(players, real()).value
    sloped = DiscriminatorLoss("relativistic", 2.0, 3.0)(players, real()).value
    assert (sloped - plain).item() == pytest.approx(0.5 * (2.0 + 3.0) * (1 + 4), rel=1e-5)
