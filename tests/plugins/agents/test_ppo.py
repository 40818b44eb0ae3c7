"""PPO: its loss by hand, its updates by the book, and what its relatives got wrong."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.ppo.agent import PPO
from unified.plugins.architectures.heads.policies import Categorical
from unified.plugins.objectives.ppo_clip.objective import PPOClip

CHOICES, NUMBERS = Space((), "int64", 0, 2, 3), Space((2,), "float32", -1.0, 1.0)


def make_agent(action: Space = CHOICES, **changes: Any) -> PPO:
    options = registry().get("agents", "ppo").options_model()(hidden_dim=16, **changes)
    spec = Spec(Space((4,), "float32"), action)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = PPO(spec, options, Builder(torch.device("cpu"), "fp32", Streams(3), registry()))
    agent.configure()
    return agent


def rollout(agent: PPO, rows: int = 12) -> Batch:
    g = torch.Generator().manual_seed(1)
    obs, next_obs = torch.randn(2, rows, 4, generator=g)
    action = agent.act(Batch(obs=obs), explore=True)
    boundary = torch.arange(rows) % 5 == 4
    boundary[-1] = True
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=action.action,
        log_prob=action.extra["log_prob"],
        reward=torch.rand(rows, generator=g),
        discount=torch.where(torch.arange(rows) == 4, 0.0, 0.99),
        boundary=boundary,
        index=torch.arange(rows),
        weight=torch.ones(rows),
    )


def test_the_surrogate_is_the_papers_row_by_row() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 0.0], [0.5, -1.0, 0.0], [2.0, 0.0, 0.0]], requires_grad=True)
    action, old = torch.tensor([2, 0, 1, 1]), torch.tensor([-1.2, -0.3, -0.5, -0.4])
    advantage = torch.tensor([1.0, -2.0, 0.5, 3.0])
    agent = SimpleNamespace(policy=lambda features: Categorical(features))
    loss = PPOClip(clip_range=0.2)(agent, Batch(features=logits, action=action, log_prob=old, advantage=advantage))
    mean = sum(advantage.tolist()) / 4
    std = math.sqrt(sum((a - mean) ** 2 for a in advantage.tolist()) / 3)
    total = 0.0
    for row in range(4):
        exponents = [math.exp(value) for value in logits[row].tolist()]
        ratio = exponents[action[row]] / sum(exponents) / math.exp(old[row])
        scaled = (advantage[row].item() - mean) / (std + 1e-8)
        total -= min(ratio * scaled, min(max(ratio, 0.8), 1.2) * scaled) / 4
    assert loss.value.item() == pytest.approx(total, rel=1e-5)


def test_an_action_whose_ratio_is_clipped_has_no_gradient_but_where_it_hurts() -> None:
    """One row of two goes far beyond the clip: only in the direction that makes things worse is it still moved."""
    for sign, moves in ((1.0, False), (-1.0, True)):
        logits = torch.tensor([[3.0, 0.0], [0.0, 0.0]], requires_grad=True)
        batch = Batch(
            features=logits,
            action=torch.tensor([0, 0]),
            log_prob=torch.tensor([-2.0, math.log(0.5)]),  # row 0: a ratio of 7
            advantage=sign * torch.tensor([1.0, -1.0]),
        )
        agent = SimpleNamespace(policy=lambda features: Categorical(features))
        PPOClip()(agent, batch).value.backward()
        assert bool(logits.grad[0].abs().sum() > 0) is moves  # type: ignore[index]


@pytest.mark.parametrize("action", [CHOICES, NUMBERS])
def test_the_first_update_on_a_rollout_starts_from_a_ratio_of_one(action: Space) -> None:
    agent = make_agent(action)
    prepared = agent.process_rollout(rollout(agent))
    learned = agent.learn(prepared)
    assert learned.metrics["kl"].item() == pytest.approx(0.0, abs=1e-6)
    assert learned.metrics["clipped"].item() == 0.0
    assert agent.learn(prepared).metrics["kl"].item() > 0


def test_returns_are_of_the_rows_they_stand_by() -> None:
    """A2C / A3C: returns from the wrong index."""
    agent = make_agent(gae_lambda=1.0)
    batch = rollout(agent)
    prepared = agent.process_rollout(batch)
    with torch.no_grad():
        after = agent.critic(agent.encode(batch.next_obs)).mean[0]
    wanted = []
    for start in range(len(batch.reward)):
        total, factor = 0.0, 1.0
        for t in range(start, len(batch.reward)):
            total += factor * batch.reward[t].item()
            factor *= batch.discount[t].item()
            if batch.boundary[t]:
                total += factor * after[t].item()
                break
        wanted.append(total)
    torch.testing.assert_close(prepared["return"], torch.tensor(wanted), rtol=1e-4, atol=1e-5)


def test_evaluation_plays_the_most_likely_action_and_never_draws() -> None:
    """A2C / A3C: evaluation always plays action 0."""
    agent = make_agent()
    obs = 3 * torch.randn(64, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        agent.actor.logits[-1].weight.mul_(300.0)
    played = agent.act(Batch(obs=obs), explore=False)
    torch.testing.assert_close(played.env_action, agent.policy(obs).log_probabilities.argmax(-1))
    assert len(set(played.env_action.tolist())) > 1
    assert torch.equal(played.env_action, agent.act(Batch(obs=obs), explore=False).env_action)


def test_numbers_are_kept_as_drawn_and_played_within_the_bounds() -> None:
    agent = make_agent(NUMBERS)
    played = agent.act(Batch(obs=torch.zeros(200, 4)), explore=True)
    assert played.action.abs().max() > 1
    assert played.env_action.abs().max() <= 1
    torch.testing.assert_close(played.extra["log_prob"], agent.actor(torch.zeros(200, 4)).log_prob(played.action).detach())


def test_gradients_are_no_longer_than_the_clip() -> None:
    agent = make_agent(max_grad_norm=1e-3)
    before = [parameter.clone() for parameter in agent.parameters()]
    found, step = {}, agent.updater.step

    def watched(optimizer: torch.optim.Optimizer, broken: torch.Tensor) -> None:
        found[id(optimizer)] = sum(p.grad.square().sum() for group in optimizer.param_groups for p in group["params"] if p.grad is not None)
        step(optimizer, broken)

    agent.updater.step = watched
    agent.learn(agent.process_rollout(rollout(agent)))
    assert math.sqrt(sum(found.values())) == pytest.approx(1e-3, rel=1e-2)
    assert any(not torch.equal(was, now) for was, now in zip(before, agent.parameters(), strict=True))
