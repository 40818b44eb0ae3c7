"""CartPole, Pendulum and MountainCar as array operations: bit for bit what Gymnasium computes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.suites.vectors import actions_of, assert_same, play
from unified.array_vector_env import ArrayVectorEnv
from unified.core.base.rng import Streams, derive
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_agreement import agree
from unified.core.envs.vector_env import WorkerVectorEnv, make_vector_env
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.core.trainer.sources import EnvCollector
from unified.plugins.suites.gym import vectorised
from unified.plugins.suites.gym.first_draws import first_draws
from unified.plugins.suites.gym.suite import Gym

VIEW = Transitions(batch_size=4, n_step=1)


class Chooser:
    """An agent whose choice is a function of what it sees."""

    view, device = VIEW, torch.device("cpu")

    def initial_state(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def receive(self, batch: Batch) -> Batch:
        return batch

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = (batch.obs[:, 2] + batch.obs[:, 3] > 0).long()
        return Action(action, action)


TASKS = ("CartPole-v1", "Pendulum-v1", "MountainCar-v0")


def suite(task: str, **options: Any) -> Gym:
    return Gym(task, SimpleNamespace(**({"action_repeat": 1, "pixels": False, "size": 84} | options)))


def vector(task: str, num_envs: int = 3, seed: int = 1, stream: str = "environment") -> Any:
    made = suite(task).vector(num_envs, seed, stream)
    assert isinstance(made, ArrayVectorEnv)
    return made


def workers(task: str, num_envs: int = 3, seed: int = 1, stream: str = "environment") -> WorkerVectorEnv:
    return WorkerVectorEnv(suite(task), num_envs, seed, stream, "inline")


@pytest.mark.parametrize("task", TASKS)
def test_episodes_are_gymnasiums_own(task: str) -> None:
    """Against Gymnasium itself, stepped one by one: observations, rewards, ends, the observation after a reset, returns."""
    env, count, steps = vector(task), 3, 1200
    singles = [gymnasium.make(task) for _ in range(count)]
    episode, earned, ends = [0] * count, [0.0] * count, 0
    first = [single.reset(seed=derive(1, "environment", i, 0, bits=31))[0] for i, single in enumerate(singles)]
    np.testing.assert_array_equal(env.reset(), np.stack(first), strict=True)
    for step in range(steps):
        actions = actions_of(env, step)
        env.step_async(actions)
        batch = env.step_wait()
        for i, single in enumerate(singles):
            torque = (np.clip(actions[i], -1, 1).astype(np.float64) + 1.0) * 2.0 - 2.0 if task == "Pendulum-v1" else None
            observation, reward, terminated, truncated, _ = single.step(int(actions[i]) if torque is None else torque.astype(np.float32))
            earned[i] += float(reward)
            np.testing.assert_array_equal(batch.observation[i], observation, strict=True)
            assert (batch.reward[i], batch.terminated[i], batch.truncated[i]) == (np.float32(reward), terminated, truncated)
            if terminated or truncated:
                assert batch.returns[i] == earned[i]
                episode[i], earned[i], ends = episode[i] + 1, 0.0, ends + 1
                following, _ = single.reset(seed=derive(1, "environment", i, episode[i], bits=31))
                np.testing.assert_array_equal(batch.reset_observation[i], following, strict=True)
                np.testing.assert_array_equal(env.observations[i], following, strict=True)
    assert ends >= 2 * count


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**40), num_envs=st.integers(1, 9), steps=st.integers(1, 260))
def test_it_agrees_with_single_environments(task: str, seed: int, num_envs: int, steps: int) -> None:
    with vector(task, num_envs, seed, "a stream") as one, workers(task, num_envs, seed, "a stream") as other:
        np.testing.assert_array_equal(one.reset("another"), other.reset("another"), strict=True)
        assert_same(play(one, range(steps)), play(other, range(steps)))


def test_a_held_pole_is_truncated_at_the_time_limit() -> None:
    """A controller that balances: terminations are rare, so ends come from the limit."""
    with vector("CartPole-v1") as one, workers("CartPole-v1") as other:
        one.reset()
        other.reset()
        rows: list[list[StepBatch]] = [[], []]
        for _ in range(1100):
            observed = one.observations
            actions = (observed @ np.float32([0.1, 0.5, 5.0, 1.0]) > 0).astype(np.int64)
            for env, kept in zip((one, other), rows, strict=True):
                env.step_async(actions)
                kept.append(env.step_wait())
        assert_same(*rows)
        lengths = np.array([row.lengths[row.truncated] for row in rows[0] if row.truncated.any()])
        assert len(lengths) >= 1
        assert (lengths == 500).all()


@settings(max_examples=40, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6), count=st.integers(1, 7))
def test_first_draws_are_numpys(seeds: list[int], count: int) -> None:
    expected = [np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).random(count) for seed in seeds]
    np.testing.assert_array_equal(first_draws(np.array(seeds, np.uint64), count), np.transpose(expected), strict=True)


def test_a_number_that_is_not_finite_fails_the_episode_as_in_workers() -> None:
    with vector("Pendulum-v1") as one, workers("Pendulum-v1") as other:
        for env in (one, other):
            env.reset()
            play(env, range(3))
        actions = np.float32([[0.5], [np.nan], [0.1]])
        answers = []
        for env in (one, other):
            env.step_async(actions)
            answers.append([env.step_wait(), *play(env, range(230))])
        assert answers[0][0].failed.tolist() == [False, True, False]
        assert_same(*answers)
        assert one.failed_episodes == other.failed_episodes == 1
        assert "environment 1, episode 0 was discarded" in one.env_failures[0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e39])
def test_rewards_that_float32_cannot_hold_fail_though_their_sum_is_finite(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    with vector("CartPole-v1") as env:
        env.reset()
        advance = type(env).advance
        monkeypatch.setattr(env, "advance", lambda actions: (np.array([wrong, -wrong, 1.0]), advance(env, actions)[1]))
        env.step_async(np.zeros(3, np.int64))
        steps = env.step_wait()
    assert steps.failed.tolist() == [True, True, False]
    assert steps.reward.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("make", [vector, workers])
def test_episodes_can_be_limited(make: Any) -> None:
    with make("Pendulum-v1") as env:
        env.limit_episodes(7)
        env.reset()
        rows = play(env, range(21))
    assert [number for number, row in enumerate(rows, 1) if row.truncated.all()] == [7, 14, 21]
    assert all((row.lengths == 7).all() for row in rows if row.truncated.any())


# What lasts


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("source", [vector, workers])
@pytest.mark.parametrize("target", [vector, workers])
def test_a_checkpoint_goes_on_in_either_implementation(source: Any, target: Any, task: str) -> None:
    with source(task) as straight, source(task) as stopped, target(task, stream="unused") as resumed:
        straight.reset()
        stopped.reset()
        play(straight, range(137))
        play(stopped, range(137))
        state = stopped.state_dict()
        assert all(len(lane["actions"]) == 0 for lane in state["lanes"])  # the state alone is the checkpoint
        resumed.load_state_dict(state)
        assert resumed.exact
        np.testing.assert_array_equal(resumed.observations, straight.observations, strict=True)
        assert_same(play(straight, range(137, 700)), play(resumed, range(137, 700)))


def test_an_episode_that_cannot_be_restored_is_truncated() -> None:
    with vector("CartPole-v1") as one, vector("CartPole-v1") as other:
        one.reset()
        play(one, range(4))
        state = one.state_dict()
        state["lanes"][1]["observation"] = state["lanes"][0]["observation"]
        state["lanes"][2]["state"] = None
        other.load_state_dict(state)
        assert (other.exact, other.rebuilt.tolist()) == (False, [True, False, False])
        seed = derive(1, "environment", 1, state["lanes"][1]["episode"] + 1, bits=31)
        np.testing.assert_array_equal(other.observations[1], gymnasium.make("CartPole-v1").reset(seed=seed)[0])
        assert len(other.env_failures) == 2


def test_the_state_of_a_single_environment_is_its_row() -> None:
    single = suite("Pendulum-v1").environment()
    single.reset(5)
    observation = single.step(np.float32([0.3])).observation
    state = single.state_dict()
    assert state is not None
    np.testing.assert_array_equal(state["state"], single._env.unwrapped.state)  # type: ignore[attr-defined]
    fresh = suite("Pendulum-v1").environment()
    np.testing.assert_array_equal(fresh.load_state_dict(state), observation, strict=True)
    assert suite("FrozenLake-v1").environment().state_dict() is None


def test_pictures_are_those_of_single_environments() -> None:
    pytest.importorskip("pygame")
    with vector("CartPole-v1") as one, workers("CartPole-v1") as other:
        for env in (one, other):
            env.reset()
            play(env, range(5))
        np.testing.assert_array_equal(one.render(1, 60, 90), other.render(1, 60, 90))


def test_a_collector_stores_the_same_rows() -> None:
    rows = []
    for env in (vector("CartPole-v1", 4), workers("CartPole-v1", 4)):
        replay = Replay(env.spec, VIEW, 4000, 4, Streams(1))
        collector = EnvCollector(env, Chooser(), replay)  # type: ignore[arg-type]
        collector.start()
        for _ in range(300):
            collector.step_async()
            collector.step_wait()
        rows.append(replay.store.data)
        env.close()
    for name, values in rows[0].items():
        np.testing.assert_array_equal(values, rows[1][name], err_msg=name)


# When it is used


def test_it_is_used_unless_a_backend_is_chosen() -> None:
    reference = SuiteReference("unified.plugins.suites.gym.suite:Gym", "CartPole-v1", {"action_repeat": 1, "pixels": False})
    kinds = [
        type(made)
        for made in (
            make_vector_env(reference, 2, 1),
            make_vector_env(reference, 1, 1),
            make_vector_env(reference, 2, 1, env_backend="inline"),
        )
    ]
    assert kinds == [vectorised.CartPole, vectorised.CartPole, WorkerVectorEnv]


@pytest.mark.parametrize(
    ("task", "options"), [("Acrobot-v1", {}), ("CartPole-v1", {"action_repeat": 2}), ("CartPole-v1", {"pixels": True})]
)
def test_what_is_not_vectorised_is_left_to_workers(task: str, options: dict[str, Any]) -> None:
    assert suite(task, **options).vector(4, 1, "environment") is None


def test_other_bits_than_gymnasiums_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectorised.CartPole, "GRAVITY", np.nextafter(9.8, 10))
    with workers("CartPole-v1") as singles:
        changed = vectorised.CartPole(suite("CartPole-v1"), singles.spec, 3, 1, "environment")
        assert not agree(changed, singles, vectorised.CHECKED_STEPS)
    assert suite("CartPole-v1").vector(3, 1, "environment") is None


def test_misuse_is_refused() -> None:
    env = vector("CartPole-v1")
    with pytest.raises(RuntimeError, match="reset"):
        env.step_async(np.zeros(3, np.int64))
    env.reset()
    with pytest.raises(ValueError, match=r"\(2,\)"):
        env.step_async(np.zeros(2, np.int64))
    with pytest.raises(RuntimeError, match="step_async"):
        env.step_wait()
    env.step_async(np.zeros(3, np.int64))
    with pytest.raises(RuntimeError, match="between"):
        env.state_dict()
    env.step_wait()
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match="close"):
        env.reset()
