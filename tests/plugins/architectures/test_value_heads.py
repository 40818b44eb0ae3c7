"""Heads that value by a normal distribution, by several discounts and over fixed horizons; and targets within possible returns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.config.compose import compose
from unified.core.replay.batch import Batch
from unified.core.trainer.build import make_agent
from unified.plugins.architectures.heads.modules import SigmaHead
from unified.plugins.architectures.heads.values import (
    CategoricalValue,
    DiscountedValues,
    GaussianValue,
    HorizonValues,
    QuantileValue,
    ScalarValue,
)
from unified.plugins.objectives.td.objective import possible_returns

NUMBERS, CHOICES = Space((2,), "float32", -1.0, 1.0), Space((), "int64", 0, 1, 2)


def agent_of(*words: str, action: Space = NUMBERS, **spec: Any) -> Any:
    small = ["agent.actor.hidden_dim=8"] if "agent=dqn" not in words else []
    config = compose(["suite=gym:Pendulum-v1", "agent.critic.hidden_dim=8", "agent.batch_size=4", *small, *words])
    return make_agent(config, Spec(Space((3,), "float32"), action, **spec), Streams(1))


def batch_of(action: Space = NUMBERS) -> Batch:
    generator = torch.Generator().manual_seed(0)
    obs, next_obs = torch.randn(2, 4, 3, generator=generator)
    chosen = torch.arange(4) % 2 if action.discrete else torch.rand(4, 2, generator=generator) * 2 - 1
    reward = torch.rand(4, generator=generator)
    return Batch(
        obs=obs, next_obs=next_obs, action=chosen, reward=reward, discount=torch.tensor([0.9, 0.9, 0.9, 0.0]), weight=torch.ones(4)
    )


@pytest.mark.parametrize("head", ["sigma", "gammas", "horizon"])
@pytest.mark.parametrize(
    ("agent", "action"), [("sac", NUMBERS), ("sac", CHOICES), ("td3", NUMBERS), ("ddpg", NUMBERS), ("dqn", CHOICES)], ids=str
)
def test_every_head_learns_on_every_agent(agent: str, action: Space, head: str) -> None:
    made = agent_of(f"agent={agent}", f"critic.head={head}", "agent.n_step=1", action=action)
    for _ in range(2):
        assert made.learn(batch_of(action)).metrics["nonfinite"] == 0


# A normal distribution ---------------------------------------------------------------------------------------------------------------


def test_a_normal_finds_the_mean_and_the_deviation_of_a_bandit() -> None:
    raw = torch.zeros(1, 1, 2, requires_grad=True)
    head, optimizer, generator = SigmaHead(), torch.optim.Adam([raw], 0.02), torch.Generator().manual_seed(0)
    for _ in range(1500):
        reward = 1.0 + 0.5 * torch.randn(64, generator=generator)
        target = head.value(torch.zeros(1, 64, 2)).backup(reward, torch.zeros(64))
        loss = head.value(raw.expand(1, 64, 2)).loss(target).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = head.value(raw)
    assert found.mean.item() == pytest.approx(1.0, abs=0.05)
    assert found.std.item() == pytest.approx(0.5, abs=0.05)


def test_a_backup_scales_the_deviation_and_a_loss_is_the_weighted_cross_entropy() -> None:
    value, target = (
        GaussianValue(torch.tensor([[[1.0, 0.5]], [[2.0, 2.0]]])),
        GaussianValue(torch.tensor([[[3.0, 0.4]]])).backup(torch.tensor([1.0]), torch.tensor([0.5])),
    )
    assert target.numbers.tolist() == [[[2.5, pytest.approx(0.2)]]]
    slow = 0.0
    for mean, std in ((1.0, 0.5), (2.0, 2.0)):
        slow += std * (math.log(std) + ((2.5 - mean) ** 2 + 0.2**2) / (2 * std**2))  # β = ½: σ¹
    assert value.loss(target).item() == pytest.approx(slow, rel=1e-5)


def test_averages_have_the_moments_of_their_mixture_and_the_least_is_a_whole_member() -> None:
    value = GaussianValue(torch.tensor([[[1.0, 0.5]], [[3.0, 2.0]]]))
    draws = torch.cat([1.0 + 0.5 * torch.randn(200_000), 3.0 + 2.0 * torch.randn(200_000)])
    mixed = value.mean_over_ensemble()
    assert mixed.mean.item() == pytest.approx(2.0)
    assert mixed.std.item() == pytest.approx(draws.std().item(), rel=0.02)
    assert value.min().numbers.tolist() == [[[1.0, 0.5]]]
    weighted = value.mixture(torch.tensor([[0.25, 0.75]]))
    assert weighted.mean.item() == pytest.approx(2.5)
    second = 0.25 * (0.25 + 1.0) + 0.75 * (4.0 + 9.0)
    assert weighted.std.item() == pytest.approx(math.sqrt(second - 2.5**2), rel=1e-5)


# Several discounts -------------------------------------------------------------------------------------------------------------------


def test_a_reward_at_distance_t_is_worth_gamma_to_the_t() -> None:
    """A chain of states t = 3, 2, 1, 0, with a reward of 1 at the end, swept until nothing changes."""
    gammas = torch.tensor([0.5, 0.9])
    values = torch.zeros(1, 4, 2)
    reward, discount = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.99, 0.99, 0.99])
    for _ in range(4):
        following = torch.cat([torch.full((1, 1, 2), 9.0), values[:, :-1]], dim=1)
        values = DiscountedValues(following, gammas).backup(reward, discount).numbers
    torch.testing.assert_close(values[0], torch.stack([gammas**t for t in range(4)]))
    assert DiscountedValues(values, gammas).mean[0].tolist() == pytest.approx([0.9**t for t in range(4)])


def test_returns_of_several_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="discounts of its own"):
        agent_of("agent=sac", "critic.head=gammas", "agent.n_step=3")


# Fixed horizons ----------------------------------------------------------------------------------------------------------------------


def test_after_h_sweeps_of_a_chain_the_values_are_the_returns_of_h_steps() -> None:
    rewards, gamma, horizon = [1.0, 2.0, 4.0, 8.0, 16.0], 0.5, 4
    values = torch.full((1, 5, horizon), 77.0)  # whatever it begins with
    discount = torch.tensor([gamma] * 4 + [0.0])
    for _ in range(horizon):
        following = torch.cat([values[:, 1:], torch.full((1, 1, horizon), 1e6)], dim=1)
        values = HorizonValues(following).backup(torch.tensor(rewards), discount).numbers
    for state in range(5):
        for steps in range(1, horizon + 1):
            slow = sum(gamma**t * rewards[state + t] for t in range(steps) if state + t < 5)
            assert values[0, state, steps - 1].item() == pytest.approx(slow)


def test_it_acts_by_the_average_of_the_longest_horizons() -> None:
    numbers = torch.arange(8.0).view(1, 1, 8)
    assert HorizonValues(numbers, last=3).mean.item() == 6.0
    assert HorizonValues(numbers[..., :2], last=5).mean.item() == 0.5
    assert HorizonValues(numbers).shift(torch.tensor([1.0])).backup(torch.tensor([0.0]), torch.tensor([1.0])).numbers[
        0, 0, :3
    ].tolist() == [
        0.0,
        1.0,
        2.0,
    ]


# Targets within possible returns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "discount", "expected"),
    [
        ((-1.0, 0.0), 0.98, (-50.0, 0.0)),
        ((0.0, 1.0), 0.98, (0.0, 50.0)),  # for these, (-50, 0) would make every target 0
        ((-2.0, -1.0), 0.5, (-4.0, -1.0)),
        ((-1.0, 3.0), 0.5, (-2.0, 6.0)),
    ],
)
def test_possible_returns_follow_from_the_rewards(rewards: tuple[float, float], discount: float, expected: tuple[float, float]) -> None:
    assert possible_returns(rewards, discount) == pytest.approx(expected)


def test_a_target_is_clipped_by_the_task() -> None:
    plain, clipped = (
        agent_of("agent=ddpg", "agent.discount=0.9", f"agent.clip_target={clip}", reward_range=(0.0, 1.0)) for clip in ("false", "true")
    )
    for made in (plain, clipped):
        with torch.no_grad():
            made.critic_target.values.biases[-1].fill_(1000.0)
    batch = batch_of()
    assert plain.learn(batch).metrics["target"] > 500
    kept = (torch.where(batch.discount > 0, 10.0, batch.reward)).mean()
    assert clipped.learn(batch).metrics["target"].item() == pytest.approx(kept.item(), rel=1e-5)


def test_a_task_that_states_no_rewards_cannot_clip() -> None:
    with pytest.raises(UsageError, match="targets cannot be clipped: rewards go from -inf"):
        agent_of("agent=ddpg", "agent.clip_target=true")


def test_every_representation_stays_within_bounds() -> None:
    returns = torch.tensor([[-3.0, 0.5, 7.0]])
    assert ScalarValue(returns).clamped(0.0, 1.0).mean.tolist() == [[0.0, 0.5, 1.0]]
    assert QuantileValue(returns[..., None].repeat(1, 1, 2)).clamped(0.0, 1.0).mean.tolist() == [[0.0, 0.5, 1.0]]
    atoms = torch.linspace(-10, 10, 21)
    logits = torch.full((1, 3, 21), -1e9)
    for row, index in enumerate((0, 10, 20)):
        logits[0, row, index] = 0.0
    value = CategoricalValue(logits, atoms).shift(torch.tensor([0.0, 0.5, 5.0]))
    torch.testing.assert_close(value.mean[0], torch.tensor([-10.0, 0.5, 15.0]))
    torch.testing.assert_close(value.clamped(-2.0, 4.0).mean[0], torch.tensor([-2.0, 0.5, 4.0]))
    normal = GaussianValue(torch.tensor([[[-3.0, 0.7]]])).clamped(0.0, 1.0)
    assert normal.numbers[0, 0].tolist() == [0.0, pytest.approx(0.7)]
