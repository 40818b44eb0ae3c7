"""Counts of observations against a dictionary, what is counted and what is not, and the reward on agents of every kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from plugins.objectives.test_intrinsic import CHOICES, NUMBERS, PIXELS, VECTOR, lived, make, processed, stacked
from runs.commands import STATE, killed_and_the_same
from unified.core.base.spec import Space
from unified.core.learn.traced import trace
from unified.core.replay.batch import Batch
from unified.plugins.objectives.count.objective import FIT, Counts

SHAPE = Space((5,), "float32")


def steps_of(obs: torch.Tensor, failed: tuple[int, ...] = ()) -> Any:
    """New rows of experience that reached these observations."""
    bad = np.isin(np.arange(len(obs)), failed)
    return SimpleNamespace(observation=obs.numpy(), failed=bad)


def counts(bits: int | None = 32, space: Space = SHAPE) -> Counts:
    torch.manual_seed(1)
    return Counts(space, bits)


# The table ----------------------------------------------------------------------------------------------------------------------


def test_exact_counts_are_those_of_a_dictionary() -> None:
    """One-hot choices, a grid, and the same observation several times in one portion."""
    generator, table, slow = torch.Generator().manual_seed(0), counts(None), Counter[tuple[float, ...]]()
    for rows in (1, 2, 50, 400):
        obs = torch.randint(3, (rows, 5), generator=generator).float() - 1.0
        obs[0] = -0.0  # which is 0
        table.add(obs)
        slow.update(tuple(row) for row in obs.tolist())
        assert table.number(obs).tolist() == [slow[tuple(row)] for row in obs.tolist()]
    assert table.number(torch.full((1, 5), 0.5)).tolist() == [0]


def test_a_code_has_one_bit_for_each_plane() -> None:
    table, obs = counts(7), torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    table.add(obs)
    known = table.standardised(obs)
    for row in range(0, 200, 20):
        code = 0
        for plane in range(7):
            side = sum(known[row, d].item() * table.planes[d, plane].item() for d in range(5)) + table.planes[5, plane].item()
            code += 2**plane * (side > 0)
        assert table.codes(obs)[row].item() == code


def test_near_observations_share_a_code_and_far_ones_do_not() -> None:
    table, generator = counts(16), torch.Generator().manual_seed(0)
    table.add(torch.randn(FIT, 5, generator=generator))
    obs = torch.randn(300, 5, generator=generator)
    codes, near, far = (table.codes(each) for each in (obs, obs + 1e-3, -obs))
    assert (codes == near).float().mean() > 0.95
    assert (codes == far).float().mean() < 0.05
    assert len(set(counts(1).codes(obs).tolist())) == 2


def test_planes_do_not_all_go_through_the_mean() -> None:
    """Through the mean, observations of one direction share a code however far they are: in a plane, 32 bits would be 64 sectors."""
    table = counts(32, Space((1,), "float32"))
    table.add(torch.linspace(-2, 2, 2000)[:, None])
    assert len(set(table.codes(torch.linspace(-2, 2, 2000)[:, None]).tolist())) > 10


def test_codes_stay_once_the_statistics_stand() -> None:
    """A hash whose statistics go on moving counts what is known as new."""
    table, generator = counts(32), torch.Generator().manual_seed(0)
    known = torch.randn(FIT, 5, generator=generator)
    table.add(known)
    before = table.codes(known)
    table.add(1000.0 * torch.randn(5000, 5, generator=generator))
    assert torch.equal(table.codes(known), before)


def test_two_codes_hardly_ever_share_their_places() -> None:
    table = counts(None, Space((1,), "float32"))
    table.add(torch.arange(20_000.0)[:, None])
    assert (table.number(torch.arange(20_000.0)[:, None]) == 1).float().mean() > 0.97  # one table alone: 0.74
    assert (table.number(torch.arange(20_000.0, 30_000.0)[:, None]) == 0).float().mean() > 0.97


def test_of_stacked_pictures_the_newest_counts() -> None:
    table = counts(None, PIXELS)
    one, other = torch.randint(255, (2, 1, *PIXELS.shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    table.add(one)
    assert table.number(torch.cat([other, one], dim=1)).item() == 1
    assert table.number(torch.cat([one, other], dim=1)).item() == 0


# What is counted ----------------------------------------------------------------------------------------------------------------


def test_the_bonus_is_one_over_the_root_of_the_count() -> None:
    agent = make("dqn", "count", VECTOR, CHOICES, "objective.count.hash=exact")
    objective = agent.phase_list[0].objectives[-1]
    obs = torch.eye(4)[[0, 1, 1, 2, 1, 2, 1]]
    agent.observe(steps_of(obs))
    bonus = objective.bonus(agent, torch.zeros(4, 4), torch.zeros(4), torch.eye(4))
    assert bonus.tolist() == pytest.approx([1.0, 4**-0.5, 2**-0.5, 1.0])  # what was never reached counts as one
    agent.observe(steps_of(obs, failed=tuple(range(7))))
    assert agent.novelty.number(torch.eye(4)).tolist() == [1, 4, 2, 0]  # rows that hold no transition


@pytest.mark.parametrize("counting", ["new rows", "replayed rows"])
def test_a_row_counts_once_however_often_it_is_replayed(counting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where they are learned from, rows of a replay wear out though nothing was reached again."""
    if counting == "replayed rows":
        monkeypatch.setattr(Counts, "observe", lambda self, obs: self.add(self.newest(obs)))
    agent = make("dqn", "count")
    replay, told = lived(agent)
    agent.observe(steps_of(torch.from_numpy(np.stack([step["after"] for steps in told for step in steps]))))
    before = int(agent.novelty.table.sum())
    assert before == 3 * 20
    for _ in range(5):
        agent.learn(replay.sample())
    assert (int(agent.novelty.table.sum()) == before) == (counting == "new rows")


def test_a_rollout_is_rewarded_by_counts_that_include_it() -> None:
    """Tang et al., algorithm 1: first the counts of all states of a batch, then its bonuses."""
    agent = make("ppo", "count", VECTOR, CHOICES, "objective.count.coef=0.5", "objective.count.discount=0.0", "agent.gae_lambda=0.0")
    with torch.no_grad():
        for parameter in agent.intrinsic_critic.parameters():
            parameter.zero_()
    told = lived(agent)[1]
    reached = torch.from_numpy(np.stack([step["after"] for steps in told for step in steps]))
    agent.observe(steps_of(reached.repeat(4, 1)))
    rollout, rows, _ = processed(agent)
    plain = agent.process_rollout(rollout)
    torch.testing.assert_close(rows.advantage - plain.advantage, torch.full((20,), 0.5 * 4**-0.5))
    assert torch.equal(rows["return"], plain["return"])


def test_judging_counts_nothing() -> None:
    agent = make("ppo", "count")
    agent.eval()
    agent.act(Batch(obs=torch.randn(5, 4)), explore=False)
    assert int(agent.novelty.table.sum()) == 0


# On agents ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", [VECTOR, PIXELS], ids=["vectors", "pixels"])
@pytest.mark.parametrize(("name", "action"), [("ppo", CHOICES), ("pqn", CHOICES), ("dqn", CHOICES), ("sac", NUMBERS)])
def test_it_is_added_to_any_agent_of_control(name: str, action: Space, observation: Space) -> None:
    if observation is PIXELS and name == "sac":
        pytest.skip("as ppo and dqn")
    agent = make(name, "count", observation, action, *(["agent.stack=2"] if observation is PIXELS else []))
    replay, _ = lived(agent) if observation is VECTOR else stacked(agent)
    batches = [replay.sample()] if name in ("dqn", "sac") else list(replay.batches(1, agent.prepare_rollout))
    for batch in batches:
        metrics = agent.learn(batch).metrics
    assert metrics["nonfinite"] == 0
    assert metrics["novelty"] == 1.0
    assert "novelty.table" in agent.state_dict()


@pytest.mark.slow
def test_an_update_with_it_is_one_graph() -> None:
    agent, other = make("dqn", "count"), make("dqn", "count")
    replay, _ = lived(agent)
    batches = [replay.sample() for _ in range(3)]
    traced = trace(agent, batches[0])
    for batch in batches:
        for each in (agent, other):
            each.observe(steps_of(batch.obs))  # between updates
        assert torch.equal(traced(batch).metrics["critic_loss"], other.learn(batch).metrics["critic_loss"])
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in agent.state_dict().items())


@pytest.mark.slow
def test_killed_in_mid_episode_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    killed = killed_and_the_same([*STATE, "-o", "+count", "objective.count.hidden_dim=16"], tmp_path)
    assert '"novelty"' in (killed / "metrics.jsonl").read_text()
