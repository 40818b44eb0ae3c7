"""Gymnasium environments that are handed over as they are."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit, TransformReward

from unified.core.base.errors import UsageError
from unified.plugins.suites.gym.adapted import GymObject
from unified.plugins.suites.gym.config import GymOptions


class Bell(gymnasium.Env):
    """Nobody registered it."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,))
    action_space = gymnasium.spaces.Discrete(2)
    closed = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.n, self.x = 0, self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.x, {}

    def step(self, action: Any) -> Any:
        self.n += 1
        return self.x, 1.0, False, self.n >= 10, {}

    def close(self) -> None:
        self.closed = True


def suite(thing: Any, task: str = "", **options: Any) -> GymObject:
    return GymObject(thing, task, GymOptions(**options))


def test_a_registered_one_is_copied_and_the_callers_is_left_alone() -> None:
    env = gymnasium.make("Pendulum-v1", g=5.0, max_episode_steps=30)
    observation, _ = env.reset(seed=0)
    made: Any = suite(env).environment()
    assert made.spec.episode_frames == 30
    assert made._env.unwrapped.g == 5.0
    assert made._env is not env
    made.reset(1)
    assert made.render(20, 30).shape == (20, 30, 3)  # though the caller's has no pictures
    made.step(np.ones(1, np.float32))
    made.close()
    np.testing.assert_array_equal(env.unwrapped._get_obs(), observation)
    env.step(env.action_space.sample())


@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "InvertedPendulum-v5"])
def test_one_that_was_changed_is_trained_as_it_was_changed(task: str) -> None:
    env = gymnasium.make(task)
    if task.startswith("Inverted"):  # which copies itself by being made anew
        env.unwrapped.model.opt.gravity[:] = 1.0
    env.unwrapped.gravity = 20.0
    env.reset(seed=3)
    made: Any = suite(env).environment()
    assert made._env.unwrapped.gravity == 20.0
    if task.startswith("Inverted"):
        assert made._env.unwrapped.model.opt.gravity[0] == 1.0
    made.reset(1)
    before = env.unwrapped.__dict__.get("state")
    made.step(np.zeros(made.spec.action.shape, np.int64 if made.spec.action.n else np.float32))
    assert env.unwrapped.__dict__.get("state") is before


class Uncopied(gymnasium.Env):
    """Registered, and holds what cannot be copied."""

    observation_space = Bell.observation_space
    action_space = Bell.action_space

    def __init__(self, gravity: float = 9.8) -> None:
        self.gravity, self.lock = gravity, threading.Lock()


def test_one_that_cannot_be_copied_is_made_anew_only_where_nothing_was_changed() -> None:
    gymnasium.register("Uncopied-v0", Uncopied)
    try:
        env = gymnasium.make("Uncopied-v0", gravity=3.0)
        made: Any = suite(env).environment()
        assert made._env.unwrapped.gravity == 3.0
        assert made._env is not env
        env.unwrapped.gravity = 20.0
        with pytest.raises(UsageError, match=r"Uncopied-v0 cannot be copied.*pass a function that returns it"):
            suite(env).environment()
    finally:
        del gymnasium.registry["Uncopied-v0"]


def test_a_copy_that_forgets_what_was_changed_is_refused() -> None:
    class Forgets(Bell):
        weight = 1.0

        def __deepcopy__(self, memo: Any) -> Any:
            return Forgets()

    assert suite(Forgets()).environment()
    env = Forgets()
    env.weight = 2.0
    with pytest.raises(UsageError, match=r"Forgets was modified, and its copy is not.*pass a function that returns it"):
        suite(env).environment()


def test_its_wrappers_come_along() -> None:
    made: Any = suite(TransformReward(gymnasium.make("CartPole-v1"), lambda reward: 7 * reward)).environment()
    made.reset(1)
    assert made.step(np.int64(1)).reward == 7.0


def test_a_wrapper_that_cannot_be_made_anew_is_copied() -> None:
    class Loud(gymnasium.Wrapper):
        def step(self, action: Any) -> Any:
            observation, _, *rest = self.env.step(action)
            return observation, 9.0, *rest

    env = Loud(gymnasium.make("CartPole-v1"))
    made: Any = suite(env).environment()
    made.reset(1)
    assert made.step(np.int64(1)).reward == 9.0
    assert made._env is not env


def test_an_unregistered_one_is_copied_and_never_closed() -> None:
    env = Bell()
    adapted = suite(env, action_repeat=2)
    made: Any = adapted.environment()
    assert (made.spec.action.n, made.spec.action_repeat, made.spec.episode_frames, made.spec.deterministic) == (2, 2, None, True)
    first = made.reset(4)
    assert made.step(np.int64(0)).reward == 2.0
    made.close()
    assert not env.closed
    np.testing.assert_array_equal(adapted.environment().reset(4), first)
    assert adapted.name == "Bell"


def test_a_class_and_functions() -> None:
    for thing in (Bell, lambda: TimeLimit(Bell(), 5)):
        assert suite(thing).environment().reset(1).shape == (3,)
    made: Any = suite(gymnasium.make, "CartPole-v1").environment()
    assert made.spec.observation.shape == (4,)


def test_what_cannot_be_had_again_is_told() -> None:
    env = Bell()
    env.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"Bell cannot be copied.*pass a function that returns it"):
        suite(env).environment()
    with pytest.raises(UsageError, match=r"makes dict, which is not a gymnasium.Env"):
        suite(dict).environment()


def test_spaces_that_nobody_can_learn_are_told_with_its_name() -> None:
    env = Bell()
    env.action_space = gymnasium.spaces.Text(2)
    with pytest.raises(UsageError, match="Bell takes Text"):
        suite(env).environment()
