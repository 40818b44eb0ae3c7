"""The suite envpool beside EnvPool itself, stepped by hand."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import unified
from unified.core.base.errors import UnifiedError, UsageError
from unified.core.base.rng import derive
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Suite, UnsupportedRender
from unified.core.envs.vector_env import make_vector_env
from unified.plugins.suites.envpool.pool import Pool, arguments
from unified.plugins.suites.envpool.vector import EnvPoolVectorEnv
from unified.plugins.suites.gym.spaces import converters


def test_without_the_package_the_line_to_type_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "unified.plugins.suites.envpool.suite", raising=False)
    with pytest.raises(UnifiedError) as raised:
        unified.train("dqn", "envpool:Pong-v5", root=str(tmp_path))
    (problem,) = raised.value.problems
    assert "No module named 'envpool'" in problem.message
    assert problem.hint == "pip install 'unified-ml[envpool]'"


def options(**given: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"observe": (), "threads": None, "clip_rewards": False, "life_loss": False, "sticky": 0.0} | given)


@pytest.fixture
def envpool() -> Any:
    """EnvPool, in the tests that need it."""
    return pytest.importorskip("envpool")


def suite() -> Suite:
    from unified.plugins.suites.envpool.suite import EnvPool  # it needs EnvPool

    return EnvPool("CartPole-v1", options())


def vector(task: str = "CartPole-v1", n: int = 3, seed: int = 7, stream: str = "environment", **given: Any) -> EnvPoolVectorEnv:
    return EnvPoolVectorEnv(task, options(**given), n, seed, stream)


def action_of(space: Any, i: int, episode: int, step: int) -> Any:
    """An action that depends on the history of an environment alone: pools that reset in another step see the same ones."""
    draws = np.random.default_rng([i, episode, step])
    return draws.integers(space.n) if space.n else draws.uniform(-1.2, 1.2, space.shape).astype(np.float32)


class Player:
    """Steps a vector and keeps the episodes of each environment: first observations, and rows of steps."""

    def __init__(self, env: EnvPoolVectorEnv) -> None:
        self.env, self.at = env, np.zeros((env.num_envs, 2), int)
        self.rows: list[list[tuple[Any, ...]]] = [[] for _ in range(env.num_envs)]
        for i, first in enumerate(env.reset()):
            self.rows[i].append(("first", first.tolist()))

    def step(self) -> StepBatch:
        space = self.env.spec.action
        self.env.step_async(np.stack([action_of(space, i, *self.at[i]) for i in range(self.env.num_envs)]))
        steps = self.env.step_wait()
        for i in range(self.env.num_envs):
            end = "terminated" if steps.terminated[i] else "truncated" if steps.truncated[i] else ""
            self.rows[i].append((steps.observation[i].tolist(), float(steps.reward[i]), end))
            self.at[i, 1] += 1
            if end:
                self.rows[i].append(("first", steps.reset_observation[i].tolist()))
                self.at[i] = self.at[i, 0] + 1, 0
        return steps


def by_hand(
    envpool: Any, env: EnvPoolVectorEnv, count: int, to_env: Callable[[Any], Any], see: Callable[[Any], Any]
) -> Iterator[list[Any]]:
    """The rows of `Player` for each environment, from a pool of its own that resets by itself, in the step after an end."""
    for i in range(env.num_envs):
        seed = derive(env.seed, env.stream, i, 0, bits=31)
        pool = envpool.make(env._task, env_type="gymnasium", num_envs=1, seed=[seed], num_threads=1)
        shown, _ = pool.reset()
        rows, episode, step = [("first", see(shown[0]).tolist())], 0, 0
        while len(rows) < count:
            shown, reward, terminated, truncated, _ = pool.step(np.stack([to_env(action_of(env.spec.action, i, episode, step))]))
            end = "terminated" if terminated[0] else "truncated" if truncated[0] else ""
            rows.append((see(shown[0]).tolist(), float(reward[0]), end))
            step += 1
            if end:
                shown, *_ = pool.step(np.stack([to_env(action_of(env.spec.action, i, episode, step))]))  # ignored: it resets
                rows.append(("first", see(shown[0]).tolist()))
                episode, step = episode + 1, 0
        yield rows[:count]


@pytest.mark.parametrize(("task", "steps"), [("CartPole-v1", 150), ("Pendulum-v1", 450), ("HalfCheetah-v5", 30), ("FrozenLake-v1", 60)])
@pytest.mark.parametrize("n", [1, 3])
def test_episodes_are_those_of_a_loop_by_hand(task: str, steps: int, n: int, envpool: Any) -> None:
    with vector(task, n) as env:
        see, enact = converters(env.spec.interface)
        dtype = np.int32 if env.spec.action.n else None
        player = Player(env)
        for _ in range(steps):
            player.step()
        for ours, theirs in zip(player.rows, by_hand(envpool, env, steps, lambda a: np.asarray(enact(a), dtype), see), strict=True):
            assert ours[:steps] == theirs


def test_returns_and_lengths_are_those_of_the_episode_and_rows_stay(envpool: Any) -> None:
    with vector() as env:
        player, lengths = Player(env), np.zeros(3, int)
        kept: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(100):
            steps = player.step()
            kept.append((steps.observation, steps.observation.copy()))
            lengths += 1
            assert (steps.returns[steps.ended] == lengths[steps.ended]).all()
            assert (steps.lengths[steps.ended] == lengths[steps.ended]).all()
            lengths[steps.ended] = 0
            np.testing.assert_array_equal(env.observations[~steps.ended], steps.observation[~steps.ended])
            np.testing.assert_array_equal(env.observations[steps.ended], steps.reset_observation[steps.ended])
        assert all((now == then).all() for now, then in kept)


def test_a_terminal_state_at_the_time_limit_is_terminal(envpool: Any) -> None:
    """EnvPool itself reports it as truncated."""
    with vector(n=1) as env:
        player = Player(env)
        while not player.step().terminated[0]:
            pass
        length = len(player.rows[0]) - 2
    pool = envpool.make(
        "CartPole-v1", env_type="gymnasium", num_envs=1, seed=[derive(7, "environment", 0, 0, bits=31)], max_episode_steps=length
    )
    pool.reset()
    *_, terminated, truncated, _ = [pool.step(np.array([action_of(env.spec.action, 0, 0, at)], np.int32)) for at in range(length)][-1]
    assert (terminated[0], truncated[0]) == (False, True)
    for limit, expected in ((length - 1, "truncated"), (length, "terminated"), (length + 1, "terminated")):
        with vector(n=1) as env:
            env.limit_episodes(limit)
            player = Player(env)
            for _ in range(min(limit, length)):
                player.step()
            assert [row[-1] for row in player.rows[0][1:-1]] == [""] * (min(limit, length) - 1) + [expected]


def test_episodes_of_one_step(envpool: Any) -> None:
    with vector(n=2) as env:
        env.limit_episodes(1)
        player = Player(env)
        firsts = env.observations
        for _ in range(5):
            steps = player.step()
            assert steps.truncated.all()
            assert not steps.terminated.any()
            assert (steps.lengths == 1).all()
            assert not (steps.reset_observation == steps.observation).all(1).any()
            assert not (steps.reset_observation == firsts).all(1).any()
            firsts = steps.reset_observation


def test_the_time_limit_of_the_task(envpool: Any) -> None:
    with vector("Pendulum-v1", 1) as env:
        assert env.spec.episode_frames == 200
        player = Player(env)
        assert [bool(player.step().truncated[0]) for _ in range(401)] == [at in (199, 399) for at in range(401)]


def rows(env: EnvPoolVectorEnv, steps: int = 40) -> Any:
    player = Player(env)
    for _ in range(steps):
        player.step()
    return player.rows


def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(envpool: Any) -> None:
    with vector(threads=1) as one, vector(threads=3) as two, vector(seed=8) as other:
        assert rows(one) == rows(two) != rows(other)


def test_an_evaluation_has_seeds_of_its_own_and_repeats_them(envpool: Any) -> None:
    with vector(stream="evaluation") as env:
        firsts = [env.reset(f"evaluation {number}").tolist() for number in (1, 2, 1)]
        again = env.reset().tolist()  # the next episodes of the same stream
        assert firsts[0] == firsts[2] != firsts[1]
        assert again not in firsts
        assert env.reset("environment").tolist() not in [*firsts, again]


def test_unfinished_episodes_are_truncated_and_the_resumed_ones_are_new(envpool: Any) -> None:
    with vector() as env:
        player = Player(env)
        first = env.observations.tolist()
        for _ in range(5):
            player.step()
        state = env.state_dict()
    with vector() as env:
        env.load_state_dict(state)
        assert (env.exact, env.rebuilt.tolist()) == (False, [False] * 3)
        assert env.observations.tolist() != first
        line = "environment 2, episode 0 was truncated after 5 steps, so this resume is not exact: EnvPool cannot restore an environment"
        assert list(env.env_failures)[2] == line
        assert not Player.step(player_of(env)).failed.any()
    with vector(n=2) as env, pytest.raises(UnifiedError, match="the state is of 3 environments and there are 2"):
        env.load_state_dict(state)


def player_of(env: EnvPoolVectorEnv) -> Player:
    player = object.__new__(Player)
    player.env, player.at, player.rows = env, np.zeros((env.num_envs, 2), int), [[] for _ in range(env.num_envs)]
    return player


def test_a_number_that_is_not_finite_fails_its_episode_alone(envpool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    receive, number = Pool.receive, iter(range(100))

    def broken(self: Pool) -> Any:
        found = receive(self)
        match next(number):
            case 2:
                found.reward[1] = np.inf
            case 4:
                found.observation[0, 2] = np.nan
        return found

    monkeypatch.setattr(Pool, "receive", broken)
    with vector() as env:
        player = Player(env)
        steps = [player.step() for _ in range(6)]
        assert [row.failed.tolist() for row in steps] == [[at == 4, at == 2, False] for at in range(6)]
        assert all(np.isfinite(row.observation).all() and np.isfinite(row.reward).all() for row in steps)
        assert env.failed_episodes == 2
        assert env.env_failures[0] == "environment 1, episode 0 was discarded: a number was not finite"
        np.testing.assert_array_equal(env.state_dict()["lanes"][1]["length"], 3)


@pytest.mark.parametrize(
    ("task", "observe", "expected"),
    [
        ("Pong-v5", (), {"obs": ("uint8", (1, 84, 84))}),
        ("HalfCheetah-v5", (), {"obs": ("float32", (17,))}),
        ("FrozenLake-v1", (), {"obs": ("float32", (16,))}),
        ("MiniGrid-Empty-5x5-v0", ("image", "direction"), {"obs.direction": ("float32", (4,)), "obs.image": ("uint8", (3, 7, 7))}),
        ("WalkerWalk-v1", (), {"obs.orientations": ("float32", (14,)), "obs.height": ("float32", (1,)), "obs.velocity": ("float32", (9,))}),
    ],
)
def test_observations_are_those_of_the_conversion_of_one(task: str, observe: tuple[str, ...], expected: Any, envpool: Any) -> None:
    pool = Pool(task, options(observe=observe), [3, 4])
    shown, see = pool._first, converters(pool.spec.interface)[0]
    assert {name: (space.dtype, space.shape) for name, space in pool.spec.spaces.items()} == expected
    first = pool.first()
    for i in range(2):
        one = see({name: value[i] for name, value in shown.items()} if isinstance(shown, dict) else shown[i])
        named = one if isinstance(one, dict) else {"": one}
        for name, value in named.items():
            ours = first[i] if name == "" else first[name][i]
            assert ours.dtype == value.dtype
            np.testing.assert_array_equal(ours, value)
    pool.close()


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Pendulum-v1", "CartPole-v1"])
def test_actions_are_those_of_the_conversion_of_one(task: str, envpool: Any) -> None:
    pool = Pool(task, options(), [3])
    enact = converters(pool.spec.interface)[1]
    actions = np.stack([action_of(pool.spec.action, 0, 0, step) for step in range(50)])
    ours = pool._enacted(actions)
    np.testing.assert_array_equal(ours, np.stack([enact(action) for action in actions]))
    assert ours.dtype == (np.int32 if task == "CartPole-v1" else pool._taken.dtype)
    pool.close()


def test_scores_are_returned_where_rewards_are_clipped(envpool: Any) -> None:
    pool = Pool("Pong-v5", options(clip_rewards=True, life_loss=True, sticky=0.25), [3])
    config = pool._pool.spec.config
    assert (config.reward_clip, config.episodic_life, config.repeat_action_probability, config.stack_num) == (True, True, 0.25, 1)
    pool.send(np.zeros(1, np.int64))
    found = pool.receive()
    assert found.raw_reward.shape == found.reward.shape == (1,)
    pool.close()


@pytest.mark.parametrize(
    ("task", "given", "message", "hint"),
    [
        ("CartPol-v1", {}, "suite envpool has no task 'CartPol-v1'", r"did you mean  envpool:CartPole-v1"),
        ("Nothing", {}, "suite envpool has no task 'Nothing'", "all tasks: "),
        ("CartPole-v1", {"sticky": 0.5}, "suite.sticky is for Atari games, and envpool:CartPole-v1 is none", "leave it out"),
        ("MiniGrid-Empty-5x5-v0", {"observe": ("imag",)}, "has no observation 'imag'", "it shows direction, image, mission"),
        ("Chess-v1", {}, "envpool:Chess-v1 has 2 players", "choose a task with one"),
    ],
)
def test_what_cannot_be_made_is_one_line(task: str, given: dict[str, Any], message: str, hint: str, envpool: Any) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        Pool(task, options(**given), [1])
    assert hint in (raised.value.problems[0].hint or "")


def test_a_missing_library_of_the_system_is_named(envpool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs_qt(task: str) -> Any:
        raise ImportError("EnvPool Procgen requires the system Qt 5 runtime on Linux. Install the Qt5 libraries")

    monkeypatch.setattr(envpool, "make_spec", needs_qt)
    with pytest.raises(UsageError, match="envpool:CartPole-v1 cannot be created: EnvPool Procgen requires the system Qt 5") as raised:
        arguments("CartPole-v1", options())
    assert raised.value.problems[0].hint == "apt-get install libqt5gui5"


def test_pictures(envpool: Any) -> None:
    with vector(n=2) as env:
        player = Player(env)
        player.step()
        picture = env.render(1, 48, 64)
        assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
        assert picture.std() > 1
    with vector("HalfCheetah-v5", 1) as env, pytest.raises(UnsupportedRender, match="OpenGL"):
        env.render(0, 48, 64)


def test_a_single_environment(envpool: Any) -> None:
    env = suite().environment()
    assert not env.spec.deterministic
    firsts = [np.asarray(env.reset(seed)) for seed in (1, 2, 1)]
    assert (firsts[0] == firsts[2]).all()
    assert not (firsts[0] == firsts[1]).all()
    steps = []
    while not steps or not steps[-1].terminated:
        steps.append(env.step(np.array(0)))
    assert sum(step.reward for step in steps) == len(steps) < 20
    assert not any(step.truncated for step in steps)
    env.close()


@pytest.mark.parametrize(("backend", "expected"), [("auto", "EnvPoolVectorEnv"), ("inline", "WorkerVectorEnv")])
def test_the_pool_is_used_unless_a_placement_is_requested(backend: Any, expected: str, envpool: Any) -> None:
    made: Any = make_vector_env(suite(), 2, 1, env_backend=backend)
    made.close()
    assert type(made).__name__ == expected


def test_a_run_learns_and_a_resume_is_recorded_as_not_exact(tmp_path: Path, envpool: Any) -> None:
    config = {
        **{"agent.learning_starts": 50, "agent.batch_size": 16, "agent.critic.hidden_dim": 16, "train.num_envs": 4, "callbacks": []},
        **{"evaluate.episodes": 2, "evaluate.every": 0, "checkpoint.every": 0},
    }
    run = unified.train("dqn", "envpool:CartPole-v1", config=config | {"train.frames": 200}, root=str(tmp_path))
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.manifest["exact"] is False
    run = unified.train("dqn", "envpool:CartPole-v1", config=config | {"train.frames": 400}, root=str(tmp_path))
    found = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert [event["exact"] for event in found if event["event"] == "restored"] == [False]
    reasons = [event["message"] for event in found if event["event"] == "warning"]
    assert any("this resume is not exact: EnvPool cannot restore an environment" in reason for reason in reasons)
