"""Running statistics: the moments of all rows however they come, and what moves them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unified
from core.trainer.moments import At, ask_to_stop
from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.learn.agent import Agent
from unified.core.learn.builder import Builder
from unified.core.learn.normalize import LIMIT, ObservationNormalizer, RewardNormalizer, RunningMoments
from unified.core.registry import registry
from unified.core.replay.batch import Batch
from unified.core.trainer.evaluation import evaluation_mode
from unified.core.trainer.interrupts import Stopped
from unified.testing.workshop import differences

VECTOR = Spec(Space((3,), "float32"), Space((2,), "float32", -1.0, 1.0))
BOTH = {"normalize_observations": True, "normalize_rewards": True}


def make_agent(name: str, spec: Spec = VECTOR, **changes: Any) -> Agent:
    component = registry().get("agents", name)
    options = component.options_model()(**{**BOTH, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        agent: Agent = component.load()(spec, options, Builder(torch.device("cpu"), "fp32", Streams(3), registry(), (), spec))
    agent.configure()
    return agent


def steps_of(observation: Any, reward: Any = None, over: Any = None, failed: Any = None, reset: Any = None) -> StepBatch:
    observation = np.asarray(observation, np.float32)
    count = len(observation)
    no = np.zeros(count, bool)
    return StepBatch(
        observation=observation,
        reward=np.zeros(count, np.float32) if reward is None else np.asarray(reward, np.float32),
        terminated=no if over is None else np.asarray(over),
        truncated=no,
        failed=no if failed is None else np.asarray(failed),
        reset_observation=np.zeros_like(observation) if reset is None else np.asarray(reset, np.float32),
        returns=np.zeros(count),
        lengths=np.zeros(count, np.int64),
    )


def rows_of(seed: int, count: int = 200) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return (draws.normal(size=(count, 3)) * [1.0, 100.0, 0.01] + [0.0, 1000.0, -3.0]).astype(np.float32)


# Moments ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [7, 100, 199], list(range(1, 200))])
def test_portions_have_the_moments_of_all_rows(cuts: list[int]) -> None:
    rows, moments = rows_of(1), RunningMoments((3,))
    for portion in np.split(rows, cuts):
        moments.update(torch.from_numpy(portion))
    exact = rows.astype(np.float64)
    assert moments.count.item() == 200
    np.testing.assert_allclose(moments.mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, exact.var(0), rtol=1e-9)


def test_the_order_of_portions_does_not_matter() -> None:
    portions = [torch.from_numpy(rows_of(seed, 10 * seed)) for seed in (1, 2, 3, 4)]
    one, other = RunningMoments((3,)), RunningMoments((3,))
    for portion in portions:
        one.update(portion)
    for portion in reversed(portions):
        other.update(portion)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9)
    np.testing.assert_allclose(one.variance, other.variance, rtol=1e-9)


def test_moments_survive_a_large_mean() -> None:
    """The sum of squares minus the square of the sum, in float32, has a variance of 0 or less here."""
    rows = 1e4 + torch.tensor([0.0, 0.25, 0.5, 0.75]).repeat(50)
    moments = RunningMoments(())
    for portion in rows.split(3):
        moments.update(portion)
    assert moments.variance.item() == pytest.approx(0.078125, rel=1e-9)


def test_no_rows_change_nothing() -> None:
    moments = RunningMoments((2,))
    moments.update(torch.zeros(0, 2))
    assert moments.count.item() == 0
    assert moments.variance.tolist() == [1.0, 1.0]


# Observations -------------------------------------------------------------------------------------------------------------------


def test_an_observation_is_standardised_and_clipped() -> None:
    norm, rows = ObservationNormalizer(VECTOR), torch.from_numpy(rows_of(2))
    norm.observe(Batch(obs=rows), updates=0, whole=False)
    exact = (rows.double() - rows.double().mean(0)) / (rows.double().var(0, unbiased=False) + 1e-8).sqrt()
    torch.testing.assert_close(norm(rows).double(), exact.clamp(-LIMIT, LIMIT), atol=1e-2, rtol=1e-3)  # a float32 near 1000
    assert norm(rows + 1e6).tolist() == [[LIMIT] * 3] * len(rows)


def test_a_feature_that_never_changes_is_zero() -> None:
    norm = ObservationNormalizer(VECTOR)
    for count in (1, 2, 3, 7):
        norm.observe(Batch(obs=torch.full((count, 3), 0.1)), updates=0, whole=False)
        assert not norm(torch.full((2, 3), 0.1)).any()


def test_named_vectors_have_statistics_of_their_own_and_pictures_none() -> None:
    spec = Spec({"a.b": Space((2,), "float32"), "image": Space((3, 8, 8), "uint8", 0, 255), "c": Space((1,), "float32")}, VECTOR.action)
    norm = ObservationNormalizer(spec)
    batch = Batch({"obs.a.b": torch.tensor([[1.0, 2.0], [3.0, 6.0]]), "obs.image": torch.zeros(2, 3, 8, 8), "obs.c": torch.ones(2, 1)})
    norm.observe(batch, updates=0, whole=False)
    found = norm({"a.b": batch["obs.a.b"], "image": batch["obs.image"], "c": batch["obs.c"]})
    torch.testing.assert_close(found["a.b"], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    assert found["image"] is batch["obs.image"]
    assert found["c"].tolist() == [[0.0], [0.0]]
    stacked = norm({"a.b": batch["obs.a.b"].repeat(1, 3), "image": batch["obs.image"], "c": batch["obs.c"]})["a.b"]
    torch.testing.assert_close(stacked, found["a.b"].repeat(1, 3))


@pytest.mark.parametrize(
    ("spec", "option", "message"),
    [
        (Spec(Space((3, 64, 64), "uint8", 0, 255), VECTOR.action), "normalize_observations", "this task shows uint8"),
        (Spec(Space((3,), "float32"), Space((), "int64", 0, 2, 3), "classify"), "normalize_observations", "rows of a data set"),
        (Spec(Space((3,), "float32"), Space((), "int64", 0, 2, 3), "classify"), "normalize_rewards", "rows of a data set"),
    ],
)
def test_what_has_nothing_to_normalise_is_refused(spec: Spec, option: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_agent("ppo", spec, **{**dict.fromkeys(BOTH, False), option: True})


# Rewards ------------------------------------------------------------------------------------------------------------------------


def test_rewards_are_divided_by_the_deviation_of_the_running_return() -> None:
    """The returns of three environments of different episodes, one step at a time, by loops."""
    draws = np.random.default_rng(5)
    norm, seen, returns = RewardNormalizer(VECTOR, 0.9), [], [0.0, 0.0, 0.0]
    for _ in range(30):
        reward, over = draws.normal(3.0, 2.0, size=3).astype(np.float32), draws.random(3) < 0.2
        for lane in range(3):
            returns[lane] = 0.9 * returns[lane] + float(reward[lane])
            seen.append(returns[lane])
            if over[lane]:
                returns[lane] = 0.0
        norm.observe(steps_of(np.zeros((3, 3)), reward, over))
    mean = sum(seen) / len(seen)
    deviation = (sum((each - mean) ** 2 for each in seen) / len(seen) + 1e-8) ** 0.5
    found = norm(torch.tensor([1.0, -2.0, 1e6]))
    torch.testing.assert_close(found, torch.tensor([1.0 / deviation, -2.0 / deviation, LIMIT]))
    assert norm.returns.tolist() == pytest.approx(returns)


def test_rows_of_some_environments_move_the_returns_of_these() -> None:
    norm = RewardNormalizer(VECTOR, 0.5)
    steps = steps_of(np.zeros((2, 3)), [1.0, 2.0])
    steps.env_ids = np.array([3, 1])
    norm.observe(steps)
    norm.observe(steps)
    assert norm.returns.tolist() == [0.0, 3.0, 0.0, 1.5]


def test_a_failed_row_is_no_return() -> None:
    norm = RewardNormalizer(VECTOR, 0.5)
    norm.observe(steps_of(np.zeros((2, 3)), [1.0, 50.0], failed=[False, True]))
    assert norm.moments.count.item() == 1
    assert norm.returns.tolist() == [1.0, 0.0]


# Agents -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ppo", "sac", "td3", "drqv2", "ac2"])
def test_an_agent_acts_on_normalised_observations(name: str) -> None:
    """An agent without the option acts on normalised rows as the agent with it on raw ones."""
    with_option, without = make_agent(name), make_agent(name, **dict.fromkeys(BOTH, False))
    without.load_state_dict(with_option.state_dict(), strict=False)
    rows = rows_of(3)
    for agent in (with_option, without):
        agent.steps, agent.updates = 10**6, 1
        agent.observe(steps_of(rows))
    assert with_option.observation_norm is not None
    raw = torch.from_numpy(rows)
    normalised = with_option.observation_norm(raw)
    expected = without.act(Batch(obs=normalised), explore=False).env_action
    assert torch.equal(with_option.act(Batch(obs=raw), explore=False).env_action, expected)
    assert not torch.equal(without.act(Batch(obs=raw), explore=False).env_action, expected)


def test_statistics_move_by_all_that_is_shown_and_by_failed_rows_never() -> None:
    agent, rows = make_agent("sac"), rows_of(4, 4)
    agent.observe(steps_of(rows, over=[False, True, False, False], failed=[False, False, True, False], reset=rows + 1))
    shown = np.concatenate([rows[[0, 1, 3]], (rows + 1)[[1, 2]]]).astype(np.float64)  # the last observation of an episode is one too
    assert agent.observation_norm is not None
    moments = agent.observation_norm.vectors[0].moments
    np.testing.assert_allclose(moments.mean, shown.mean(0), rtol=1e-12)  # type: ignore[union-attr,arg-type]


def state_of(agent: Agent) -> dict[str, Any]:
    return {name: value.clone() for name, value in agent.state_dict().items() if "norm" in name}


def test_neither_evaluation_nor_replayed_rows_move_statistics() -> None:
    agent = make_agent("sac", batch_size=4)
    agent.observe(steps_of(rows_of(6)))
    before = state_of(agent)
    assert len(before) == 9
    with evaluation_mode(agent):
        agent.act(Batch(obs=torch.from_numpy(rows_of(7))), explore=False)
    rows = torch.from_numpy(rows_of(8, 4))
    weight, action = torch.ones(4), torch.zeros(4, 2)
    batch = Batch(obs=rows, next_obs=rows, action=action, reward=weight, discount=weight, weight=weight, index=torch.arange(4))
    agent.learn(agent.receive(batch))
    assert not differences(before, state_of(agent))


def test_rewards_of_a_replay_are_normalised_when_they_are_used() -> None:
    agent = make_agent("sac")
    agent.observe(steps_of(rows_of(6), np.arange(200.0)))
    assert agent.reward_norm is not None
    batch = Batch(obs=torch.zeros(1, 3), reward=torch.tensor([5.0]))
    assert torch.equal(agent.receive(batch).reward, agent.reward_norm(batch.reward))
    assert batch.reward.item() == 5.0


def test_a_rollout_and_its_updates_see_the_same_statistics() -> None:
    agent, rows = make_agent("ppo"), torch.from_numpy(rows_of(9))
    assert agent.observation_norm is not None
    agent.observe(steps_of(rows))
    agent.updates += 10
    agent.observe(steps_of(rows + 1))  # the first row after the updates: from here on there are new statistics
    first = agent.observation_norm(rows)
    agent.observe(steps_of(rows + 5))
    assert torch.equal(agent.observation_norm(rows), first)
    agent.updates += 10
    agent.observe(steps_of(rows))
    assert not torch.equal(agent.observation_norm(rows), first)


def test_the_value_after_the_last_observation_is_of_the_normalised_one() -> None:
    agent: Any = make_agent("ppo", **{"normalize_rewards": False})
    agent.updates = 1
    agent.observe(steps_of(rows_of(9)))
    rows = torch.from_numpy(rows_of(10, 2))
    action = agent.act(Batch(obs=rows), explore=True)
    one, boundary = torch.ones(2), torch.ones(2, dtype=torch.bool)
    batch = Batch(
        {**{"obs": rows, "next_obs": rows + 1, "action": action.action, "log_prob": action.extra["log_prob"], "reward": one},
         **{"discount": one, "weight": one, "index": torch.arange(2), "boundary": boundary}}
    )  # fmt: skip
    found = agent.process_rollout(batch)

    def value(rows: torch.Tensor) -> torch.Tensor:
        return agent.critic(agent.encoder(agent.observation_norm(rows))).mean[0]

    torch.testing.assert_close(found["return"], 1.0 + value(rows + 1))


def test_a_policy_that_acts_elsewhere_has_the_statistics() -> None:
    learner, actor = make_agent("sac"), make_agent("sac")
    learner.observe(steps_of(rows_of(11)))
    actor.load_policy_snapshot(learner.policy_snapshot())
    rows = torch.from_numpy(rows_of(12))
    assert torch.equal(*(agent.act(Batch(obs=rows), explore=False).action for agent in (learner, actor)))


# Runs ---------------------------------------------------------------------------------------------------------------------------

#: A rollout is 32 rows; the other agent learns from a replay.
RUN: dict[str, Any] = {
    **{"suite": "unified.testing.probes:Probes:both", "suite.rounds": 3, "device": "cpu", "callbacks": [], "train.env_backend": "inline"},
    **{"train.num_envs": 2, "train.log_every": 20, "evaluate.every": 50, "evaluate.episodes": 1, "checkpoint.every": 30},
    **{"agent.normalize_observations": True, "agent.normalize_rewards": True, "train.frames": 150},
}
AGENTS: dict[str, dict[str, Any]] = {
    "ppo": {"agent.n_steps": 16, "agent.epochs": 2, "agent.batch_size": 8, "agent.hidden_dim": 8},
    "sac": {"agent.batch_size": 8, "agent.learning_starts": 20, "critic.hidden_dim": 8, "actor.hidden_dim": 8},
}


def train(root: Path, agent: str, *callbacks: Any) -> Any:
    return unified.train(config={**RUN, **AGENTS[agent], "agent": agent, "root": str(root)}, callbacks=callbacks)


def saved(run: Any) -> dict[str, Any]:
    checkpoint = run.checkpoints.newest()
    return {group: checkpoint.load(group) for group in ("parameters", "optimizer", "collector", "replay")}


@pytest.mark.parametrize("agent", AGENTS)
def test_a_run_goes_on_with_its_statistics_bit_for_bit_and_is_loaded_with_them(agent: str, tmp_path: Path) -> None:
    straight = train(tmp_path / "a", agent)
    with pytest.raises(Stopped):
        train(tmp_path / "b", agent, At(20, ask_to_stop))
    resumed = train(tmp_path / "b", agent)
    assert not differences(saved(straight), saved(resumed))
    state = saved(straight)
    moments = {name: value for name, value in state["parameters"].items() if "norm" in name}
    assert moments["reward_norm.moments.count"].item() == 150
    assert moments["observation_norm.vectors.0.moments.count"].item() > 150  # first observations of later episodes are shown too
    assert state["optimizer"]["returns"].shape == (2,)
    player = unified.load(str(straight.path), "newest")
    for name, value in moments.items():
        assert torch.equal(player.agent.state_dict()[name].cpu(), torch.as_tensor(value)), name
    assert player.act(np.zeros(player.spec.space.shape, np.float32)) is not None


def test_named_observations_are_joined_for_agents_that_take_one() -> None:
    records = np.zeros(2, [("a", "float32", (1,)), ("b", "float32", (2,))])
    records["a"], records["b"] = [[1.0], [3.0]], [[0.0, 2.0], [4.0, 2.0]]
    agent = make_agent("sac")
    steps = steps_of(np.zeros((2, 3)))
    steps.observation, steps.reset_observation = records, records
    taken = SimpleNamespace(named_observations=False, objectives=[], observation_norm=agent.observation_norm, reward_norm=None)
    taken.device, taken.updates, taken.view = agent.device, 0, agent.view
    Agent.observe(taken, steps)  # type: ignore[arg-type]
    assert agent.observation_norm is not None
    assert agent.observation_norm.vectors[0].moments.mean.tolist() == [2.0, 2.0, 2.0]  # type: ignore[union-attr]
