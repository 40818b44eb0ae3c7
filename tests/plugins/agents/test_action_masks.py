"""Tasks that show which choices are valid: all agents over choices against loops over the valid ones, and refusals of the others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unified
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.learn.builder import Builder
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.testing.settings import configure
from unified.testing.workshop import default_options

CHOICES, SIZE = Space((), "int64", 0, 3, 4), 3
MASKED = Spec({"vector": Space((SIZE,), "float32"), "action_mask": Space((4,), "float32", 0, 1)}, CHOICES)
VALUES = ("dqn", "rainbow", "iqn", "qrdqn", "rem", "munchausen", "spr")
SMALL = {"critic.hidden_dim": 8, "learning_starts": 0, "batch_size": 6}


def make_agent(name: str, **changes: Any) -> Any:
    own = {"actor.hidden_dim": 8} if name == "sac" else {}
    small = {key: value for key, value in SMALL.items() if name != "pqn" or key != "learning_starts"}
    words = [f"{key}={'null' if value is None else value}" for key, value in {**small, **own, **changes}.items()]
    (component,) = configure([registry().get("agents", name)], words)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        build = Builder(torch.device("cpu"), "fp32", Streams(3), registry())
        agent = component.load()(MASKED, default_options(component), build)
        with torch.no_grad():
            for parameter in [each for name, each in agent.named_parameters() if "alpha" not in name]:
                parameter.add_(0.3 * torch.randn_like(parameter))
    agent.configure()
    return agent


def rows(count: int, seed: int = 4, prefix: str = "") -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    mask = (torch.rand(count, 4, generator=g) < 0.4).float()
    mask[torch.arange(count), torch.arange(count) % 4] = 1.0  # one is valid at least
    return {f"{prefix}obs.vector": torch.randn(count, SIZE, generator=g), f"{prefix}obs.action_mask": mask}


def batch_of(count: int = 24) -> Batch:
    g = torch.Generator().manual_seed(1)
    now = rows(count, 4)
    action = torch.rand(count, 4, generator=g).masked_fill(now["obs.action_mask"] == 0, -1).argmax(-1)
    reward, discount = torch.rand(count, generator=g), torch.full((count,), 0.9)
    return Batch({**now, **rows(count, 5, "next_"), "action": action, "reward": reward, "discount": discount, "weight": torch.ones(count)})


def valid_of(batch: Batch, prefix: str = "") -> list[list[int]]:
    return [row.nonzero().flatten().tolist() for row in batch[f"{prefix}obs.action_mask"]]


# Acting -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*VALUES, "sac", "pqn"])
def test_an_invalid_choice_is_never_taken_and_every_valid_one_is(name: str) -> None:
    epsilon = {} if name in ("sac", "rainbow", "spr") else {"epsilon": 0.5}
    agent, shown = make_agent(name, **epsilon), rows(800)
    counts = torch.zeros(4)
    for _ in range(3):
        for explore in (True, False):
            action = agent.act(Batch(shown), explore=explore).env_action
            assert shown["obs.action_mask"].gather(1, action[:, None]).all()
            counts += torch.bincount(action, minlength=4)
    assert (counts > 0).all()


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_the_random_start_is_uniform_over_the_valid_choices(name: str) -> None:
    agent = make_agent(name, learning_starts=100)
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0]]).repeat(6000, 1)
    action = agent.act(Batch({"obs.vector": torch.zeros(6000, SIZE), "obs.action_mask": mask}), explore=True).env_action
    counts = torch.bincount(action, minlength=4)
    assert counts[1] == 0
    assert (counts[[0, 2, 3]] > 1850).all()


def test_draws_of_a_soft_policy_are_those_of_the_valid_choices() -> None:
    agent = make_agent("munchausen", softmax="true", epsilon="0.0", temperature=1.0)
    obs, mask = torch.ones(20000, SIZE), torch.tensor([[1.0, 0.0, 1.0, 0.0]]).repeat(20000, 1)
    q = agent.critic(agent.encode(Batch({"obs.vector": obs, "obs.action_mask": mask}).obs)[:1]).mean[0, 0]
    action = agent.act(Batch({"obs.vector": obs, "obs.action_mask": mask}), explore=True).env_action
    p = q[[0, 2]].softmax(-1)
    counts = torch.bincount(action, minlength=4) / 20000
    assert counts.tolist() == pytest.approx([p[0].item(), 0.0, p[1].item(), 0.0], abs=0.02)


# Learning -----------------------------------------------------------------------------------------------------------------------


def target_values(agent: Any, batch: Batch) -> torch.Tensor:
    """The target network's values of all choices at the next observations ``(E, B, A)``."""
    return agent.critic_target(agent.encode(batch.next_obs)).mean.detach()  # type: ignore[no-any-return]


@pytest.mark.parametrize("double", ["true", "false"])
def test_the_bootstrap_takes_the_greatest_valid_value(double: str) -> None:
    agent, batch = make_agent("dqn", double=double), batch_of()
    found, target = agent.bootstrap(agent.encode_batch(batch)).mean[0], target_values(agent, batch)[0]
    online = agent.critic(agent.encode(batch.next_obs)).mean[0].detach()
    chooser = online if double == "true" else target
    expected = [
        target[row, max(valid, key=lambda choice: chooser[row, choice].item())] for row, valid in enumerate(valid_of(batch, "next_"))
    ]
    torch.testing.assert_close(found, torch.stack(expected))
    assert not torch.allclose(found, target.gather(-1, chooser.argmax(-1, keepdim=True))[:, 0])  # what an agent without masks has


def test_the_soft_bootstrap_is_the_logarithm_over_the_valid_choices() -> None:
    agent, batch = make_agent("munchausen", temperature=0.5), batch_of()
    found, target = agent.bootstrap(agent.encode_batch(batch)).mean[0], target_values(agent, batch)[0]
    expected = [0.5 * math.log(sum(math.exp(target[row, a] / 0.5) for a in valid)) for row, valid in enumerate(valid_of(batch, "next_"))]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert not torch.allclose(found, 0.5 * (target / 0.5).logsumexp(-1))


def test_the_log_policy_of_munchausen_is_over_the_valid_choices() -> None:
    agent, batch = make_agent("munchausen", temperature=0.5), batch_of()
    encoded = agent.encode_batch(batch)
    q = agent.critic_target(encoded.features).mean[0].detach()
    found = agent.target_log_policy(encoded)
    for row, valid in enumerate(valid_of(batch)):
        total = math.log(sum(math.exp(q[row, choice] / 0.5) for choice in valid))
        assert found[row].item() == pytest.approx(q[row, batch.action[row]].item() - 0.5 * total, abs=1e-5)
    forced = batch["obs.action_mask"].sum(-1) == 1
    assert forced.any()
    assert found[forced].abs().max() < 1e-5  # where nothing could be chosen, nothing is taken off


@pytest.mark.parametrize("name", [*VALUES, "sac"])
def test_an_update_is_finite_and_values_do_not_see_the_mask(name: str) -> None:
    agent, batch = make_agent(name), batch_of(6)
    if name == "spr":
        pytest.skip("its views have more columns; it learns as dqn")
    assert agent.learn(batch).metrics["nonfinite"] == 0
    other = batch.with_columns(**{"obs.action_mask": torch.ones(6, 4)})
    encoded = [agent.encode_batch(each).features for each in (batch, other)]
    agent.train(False)
    one, two = (agent.critic(features).mean for features in encoded)
    torch.testing.assert_close(one, two)


def test_the_soft_values_of_sac_are_expectations_over_the_valid_choices() -> None:
    agent, batch = make_agent("sac", alpha=0.3), batch_of()
    encoded = agent.encode_batch(batch)
    found, policy = agent.bootstrap(encoded).mean[0], agent.policy(encoded.next_features)
    logits = agent.actor.actor(agent.encode(batch.next_obs)).log_probabilities.detach()
    target = agent.critic_target(encoded.next_features).mean.detach().amin(0)
    for row, valid in enumerate(valid_of(batch, "next_")):
        total = sum(math.exp(logits[row, choice]) for choice in valid)
        expected = 0.0
        for choice in valid:
            p = math.exp(logits[row, choice]) / total
            assert policy.probabilities[row, choice].item() == pytest.approx(p, abs=1e-5)
            expected += p * (target[row, choice].item() - 0.3 * math.log(p))
        assert found[row].item() == pytest.approx(expected, abs=1e-4)
    assert torch.equal(policy.probabilities == 0, batch["next_obs.action_mask"] == 0)


def test_the_entropy_that_sac_keeps_is_a_share_of_what_the_valid_choices_have() -> None:
    agent, batch = make_agent("sac"), batch_of()
    encoded = agent.encode_batch(batch)
    expected = [0.7 * math.log(len(valid)) for valid in valid_of(batch)]
    assert encoded.target_entropy.tolist() == pytest.approx(expected, abs=1e-6)
    entropy = agent.policy(encoded.features).entropy()
    loss = agent.phase_list[1].objectives[1](agent, encoded).value
    assert loss.item() == pytest.approx((entropy - torch.tensor(expected)).mean().item(), abs=1e-5)
    assert "target_entropy" not in make_agent("sac", target_entropy=0.5).encode_batch(batch)


def test_the_temperature_stays_where_one_choice_is_valid() -> None:
    """0.7 ln 4 is more entropy than a single valid choice can have: the temperature would rise without bound."""
    found = {}
    for name, target in (("ours", None), ("of all choices", 0.7 * math.log(4))):
        agent = make_agent("sac", lr=0.01, target_entropy=target)
        mask = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).repeat(24, 1)
        batch = batch_of().with_columns(**{"obs.action_mask": mask, "next_obs.action_mask": mask}, action=torch.ones(24, dtype=torch.int64))
        before = agent.alpha().item()
        for _ in range(100):
            assert agent.learn(batch).metrics["nonfinite"] == 0
        found[name] = agent.alpha().item() / before
    assert found["ours"] == pytest.approx(1.0, abs=1e-3)
    assert found["of all choices"] > 2


def test_returns_of_pqn_bootstrap_from_the_greatest_valid_value() -> None:
    agent, batch = make_agent("pqn", q_lambda=0.0), batch_of(8)
    rollout = batch.with_columns(boundary=torch.tensor([False] * 7 + [True]), index=torch.arange(8))
    rollout = rollout.with_columns(**{f"next_{name}": rows.roll(-1, 0) for name, rows in rows_of(batch).items()})
    found = agent.process_rollout(rollout)["return"]
    q = agent.critic(nn.functional.pad(agent.encode(rollout.next_obs), (0, 4))).mean[0].detach()
    for row, valid in enumerate(valid_of(rollout, "next_")):
        best = max(q[row, choice].item() for choice in valid)
        assert found[row].item() == pytest.approx(rollout.reward[row].item() + 0.9 * best, abs=1e-5)
    assert agent.learn(agent.process_rollout(rollout)).metrics["nonfinite"] == 0


def rows_of(batch: Batch) -> dict[str, torch.Tensor]:
    return {name: column for name, column in batch.items() if name.startswith("obs.")}


# Whole runs ---------------------------------------------------------------------------------------------------------------------

TAXI = {"suite": "gym:Taxi-v4", "suite.action_mask": True, "callbacks": [], "train.frames": 60, "evaluate.every": 0, "checkpoint.every": 0}


@pytest.mark.parametrize("name", ["random", "sac", "iqn"])
def test_a_task_with_a_mask_is_learned(name: str, tmp_path: Any) -> None:
    small = {} if name == "random" else {"agent.learning_starts": 20, "agent.critic.hidden_dim": 8, "agent.batch_size": 8}
    assert unified.train(config={**TAXI, "agent": name, "root": str(tmp_path), **small}).finished


@pytest.mark.parametrize(
    "words", [{"agent": "td3"}, {"agent": "drqv2"}, {"agent": "ac2"}, {"agent": "sac", "agent.actor.head": "tanh_gaussian"}]
)
def test_an_agent_that_would_take_invalid_actions_is_refused(words: dict[str, Any], tmp_path: Any) -> None:
    with pytest.raises(UsageError, match=r"Taxi-v4 shows which actions are valid \(action_mask\)"):
        unified.train(config={**TAXI, **words, "root": str(tmp_path)})


def test_random_actions_are_valid_and_uniform() -> None:
    agent = registry().get("agents", "random").load()(MASKED, None, Builder(torch.device("cpu"), "fp32", Streams(3), registry()))
    mask = torch.tensor([[0.0, 1.0, 1.0, 0.0]]).repeat(4000, 1)
    action = agent.act(Batch({"obs.vector": torch.zeros(4000, SIZE), "obs.action_mask": mask}), explore=True).env_action
    assert np.bincount(action.numpy(), minlength=4)[[0, 3]].sum() == 0
    assert np.bincount(action.numpy(), minlength=4)[1:3].min() > 1850
