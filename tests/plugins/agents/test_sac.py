"""SAC against slow arithmetic, and the traps its relatives fell into."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from unified.agents.options import ActorOptions, TwinCriticOptions
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.plugins.agents.sac.agent import SAC
from unified.plugins.agents.sac.config import SACOptions

FEATURES, ROWS = 3, 6
NUMBERS = Space((2,), "float32", -1.0, 1.0)
CHOICES = Space((), "int64", 0, 3, 4)


def make_agent(action: Space = NUMBERS, head: str | None = None, **changes: Any) -> SAC:
    small = {"hidden_dim": 8, "depth": 1}
    groups = {"actor": ActorOptions(head=head, **small), "critic": TwinCriticOptions(**small)}
    options = SACOptions(**{"batch_size": ROWS, "learning_starts": 0, **changes, **groups})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent = SAC(Spec(Space((FEATURES,), "float32"), action), options, Builder(torch.device("cpu"), "fp32", Streams(3), registry()))
        with torch.no_grad():
            for parameter in agent.critic_target.parameters():
                parameter.add_(torch.randn_like(parameter))
    agent.configure()
    return agent


def make_batch(action: Space = NUMBERS) -> Batch:
    generator = torch.Generator().manual_seed(0)
    obs, next_obs = torch.randn(2, ROWS, FEATURES, generator=generator)
    numbers = torch.rand(ROWS, 2, generator=generator) * 2 - 1
    return Batch(
        obs=obs,
        next_obs=next_obs,
        action=torch.randint(4, (ROWS,), generator=generator) if action.discrete else numbers,
        reward=torch.rand(ROWS, generator=generator),
        discount=torch.tensor([0.97] * (ROWS - 1) + [0.0]),
        weight=torch.ones(ROWS),
    )


def disturb(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_the_target_entropy_is_minus_the_dimensions_of_the_action() -> None:
    """SAC: target entropy from uninitialised memory."""
    assert make_agent().target_entropy == -2.0
    assert make_agent(Space((17,), "float32", -1.0, 1.0)).target_entropy == -17.0
    assert make_agent(CHOICES).target_entropy == pytest.approx(0.7 * math.log(4))
    assert make_agent(target_entropy=-1.5).target_entropy == -1.5


def test_the_bootstrap_is_the_least_target_and_the_entropy_of_the_next_action() -> None:
    agent = make_agent(alpha=0.3)
    rows = agent.encode_batch(make_batch())
    action, log_prob = agent.policy(rows.next_features).sample_and_log_prob(Streams(3)["target"].torch())
    values = agent.critic_target(rows.next_features, action).mean
    found = agent.bootstrap(rows).mean[0]
    for row in range(ROWS):
        expected = min(values[0, row].item(), values[1, row].item()) - 0.3 * log_prob[row].item()
        assert found[row].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_bootstrap_of_choices_is_an_exact_expectation() -> None:
    agent = make_agent(CHOICES, alpha=0.3)
    rows = agent.encode_batch(make_batch(CHOICES))
    policy, values = agent.policy(rows.next_features), agent.critic_target(rows.next_features).mean
    found = agent.bootstrap(rows).mean[0]
    for row in range(ROWS):
        expected = 0.0
        for choice in range(4):
            p = policy.probabilities[row, choice].item()
            expected += p * (min(values[:, row, choice].tolist()) - 0.3 * math.log(p))
        assert found[row].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_targets_use_the_target_critics_the_present_policy_and_the_next_state(action: Space) -> None:
    """DDPG, TD3: target action from the current state or the online actor."""
    rows = make_agent(action).encode_batch(make_batch(action))
    expected = make_agent(action).bootstrap(rows).mean
    agent = make_agent(action)
    disturb(agent.critic)
    torch.testing.assert_close(agent.bootstrap(rows).mean, expected)
    torch.testing.assert_close(make_agent(action).bootstrap(rows.with_columns(features=rows.features * 0)).mean, expected)
    for part in ("critic_target", "actor"):
        agent = make_agent(action)
        disturb(getattr(agent, part))
        assert not torch.allclose(agent.bootstrap(rows).mean, expected), part


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_phases_train_their_parts_and_the_temperature_follows_the_entropy(action: Space) -> None:
    for target, rises in ((1e3, True), (-1e3, False)):
        agent, batch = make_agent(action, target_entropy=target), make_batch(action)
        before = {name: value.clone() for name, value in agent.named_parameters()}
        metrics = agent.learn(batch).metrics
        moved = {name.split(".")[0] for name, value in agent.named_parameters() if not torch.equal(value, before[name])}
        assert moved == {"actor", "critic", "critic_target", "alpha"}
        assert metrics["nonfinite"] == 0
        assert (agent.alpha().item() > 1.0) == rises


def test_the_actor_climbs_the_least_critic_and_its_entropy() -> None:
    agent, batch = make_agent(alpha=0.7), make_batch()
    agent.phase_list = agent.phase_list[1:2]
    rows = agent.encode_batch(batch)
    action, log_prob = agent.policy(rows.features).sample_and_log_prob(Streams(3)["policy"].torch())
    values = agent.critic(rows.features, action).mean
    expected = (0.7 * log_prob - values.min(0).values).mean().item()
    metrics = agent.learn(batch).metrics
    assert metrics["sac_actor_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert metrics["sac_alpha_loss"].item() == pytest.approx(-0.7 * (log_prob.mean().item() - 2.0), rel=1e-5)  # of the same draw


def test_the_temperature_draws_for_itself_where_nobody_drew() -> None:
    agent, batch = make_agent(alpha=0.7), make_batch()
    actor, (_, temperature) = agent.phase_list[1], agent.phase_list[1].objectives
    agent.phase_list = [replace(actor, objectives=(temperature,))]
    log_prob = agent.policy(agent.encode_batch(batch).features).sample_and_log_prob(Streams(3)["policy"].torch())[1]
    assert agent.learn(batch).metrics["actor_loss"].item() == pytest.approx(-0.7 * (log_prob.mean().item() - 2.0), rel=1e-5)


def test_other_objectives_of_an_actor_are_served_too() -> None:
    agent = make_agent()
    agent.phase_list = [agent.phase_list[0], replace(agent.phase_list[1], objectives=(agent.build.objective("dpg"),), trains=("actor",))]
    assert agent.learn(make_batch()).metrics["nonfinite"] == 0


def test_the_actor_of_choices_climbs_their_expectation() -> None:
    agent, batch = make_agent(CHOICES, alpha=0.7), make_batch(CHOICES)
    agent.phase_list = agent.phase_list[1:2]
    rows = agent.encode_batch(batch)
    p, values = agent.policy(rows.features).probabilities, agent.critic(rows.features).mean
    expected = (p * (0.7 * p.log() - values.min(0).values)).sum(-1).mean().item()
    metrics = agent.learn(batch).metrics
    assert metrics["sac_actor_loss"].item() == pytest.approx(expected, rel=1e-5)
    entropy = -(p * p.log()).sum(-1).mean().item()
    assert metrics["sac_alpha_loss"].item() == pytest.approx(0.7 * (entropy - agent.target_entropy), rel=1e-4)


@pytest.mark.parametrize("action", [NUMBERS, CHOICES], ids=["numbers", "choices"])
def test_evaluation_is_the_mode(action: Space) -> None:
    """SAC: stochastic evaluation."""
    agent, obs = make_agent(action, learning_starts=1000), torch.randn(50, FEATURES)
    first, second = agent.act(Batch(obs=obs), explore=False), agent.act(Batch(obs=obs), explore=False)
    assert torch.equal(first.env_action, second.env_action)
    assert torch.equal(first.env_action, agent.policy(obs).mode)
    assert not torch.equal(agent.act(Batch(obs=obs), explore=True).env_action, agent.act(Batch(obs=obs), explore=True).env_action)
    agent.steps = 1000
    assert not torch.equal(agent.act(Batch(obs=obs), explore=True).env_action, agent.act(Batch(obs=obs), explore=True).env_action)


def test_seed_steps_are_uniform() -> None:
    agent, obs = make_agent(learning_starts=10), torch.zeros(3000, FEATURES)
    random = agent.act(Batch(obs=obs), explore=True).env_action
    assert random.abs().max() > 0.99
    assert random.mean().item() == pytest.approx(0.0, abs=0.05)
    choices = make_agent(CHOICES, learning_starts=10).act(Batch(obs=obs), explore=True).env_action
    assert (torch.bincount(choices, minlength=4) > 650).all()


@pytest.mark.parametrize(("action", "head"), [(CHOICES, "tanh_gaussian"), (NUMBERS, "categorical"), (NUMBERS, "truncated_normal")])
def test_any_policy_head_acts_on_any_task(action: Space, head: str) -> None:
    agent, batch = make_agent(action, head), make_batch(action)
    acted = agent.act(batch, explore=True)
    assert acted.env_action.shape == (ROWS, *action.shape)
    assert acted.action.shape == (ROWS, *agent.action_space.shape)
    batch["action"] = acted.action
    assert agent.learn(batch).metrics["nonfinite"] == 0


# The temperature of choices ---------------------------------------------------------------------------------------------------------


def temperatures(share: float | None, updates: int) -> list[float]:
    """α after each hundred updates on a bandit of two arms, worth 0 and 1."""
    changes = {} if share is None else {"entropy_share": share}
    agent = make_agent(Space((), "int64", 0, 1, 2), lr=3e-3, **changes)
    obs, found = torch.ones(ROWS, FEATURES), []
    batch = Batch(obs=obs, next_obs=obs, discount=torch.zeros(ROWS), weight=torch.ones(ROWS), action=torch.arange(ROWS) % 2)
    batch = batch.with_columns(reward=batch.action.float())
    for update in range(updates):
        agent.learn(batch)
        if update % 100 == 99:
            found.append(agent.alpha().item())
    return found


@pytest.mark.slow
def test_the_temperature_of_a_bandit_settles_at_the_default_share() -> None:
    """SAC for choices: an entropy that the policy cannot have, and a temperature without bound."""
    found = temperatures(None, 5000)
    assert max(found) < 10
    assert found[-1] == pytest.approx(found[-11], rel=0.05)  # it has settled
    assert temperatures(1.0, 5000)[-1] > 10  # an entropy that is only had where no arm is better


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_the_share_of_the_greatest_entropy_is_an_option(share: float) -> None:
    assert make_agent(CHOICES, entropy_share=share).target_entropy == pytest.approx(share * math.log(4))
    assert make_agent(Space((3,), "float32", -1.0, 1.0), "categorical", entropy_share=share).target_entropy == pytest.approx(
        share * 3 * math.log(5)
    )
