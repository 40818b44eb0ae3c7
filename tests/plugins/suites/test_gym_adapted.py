"""Gymnasium environments that are handed over as they are."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit, TransformReward

from unified.core.errors import UsageError
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


def test_a_registered_one_is_made_anew_and_the_callers_is_left_alone() -> None:
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
    assert (made.spec.action.choices, made.spec.action_repeat, made.spec.episode_frames, made.spec.deterministic) == (2, 2, None, True)
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
    with pytest.raises(UsageError, match=r"Bell cannot be copied.*pass a function that makes it"):
        suite(env).environment()
    with pytest.raises(UsageError, match=r"makes dict, which is no gymnasium.Env"):
        suite(dict).environment()


def test_spaces_that_nobody_can_learn_are_told_with_its_name() -> None:
    env = Bell()
    env.action_space = gymnasium.spaces.MultiDiscrete([2, 2])
    with pytest.raises(UsageError, match="Bell takes MultiDiscrete"):
        suite(env).environment()
