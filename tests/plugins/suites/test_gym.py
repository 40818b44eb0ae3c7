"""Gymnasium's tasks as the core sees them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unified.core.environment import SuiteReference, Vector
from unified.core.errors import UsageError
from unified.core.suite import Environment, UnsupportedRender
from unified.plugins.suites.gym.environment import resize
from unified.plugins.suites.gym.suite import Gym


def make(task: str, **options: Any) -> Environment:
    return Gym(task, SimpleNamespace(**({"action_repeat": 1, "pixels": False, "size": 84} | options))).environment()


class Odd(gymnasium.Env):
    """Shows and takes whatever spaces it is given, and ends after five steps."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, observation_space: Any, action_space: Any, render_mode: str | None = None) -> None:
        self.observation_space, self.action_space, self.render_mode = observation_space, action_space, render_mode
        self.taken: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.taken.append(action)
        self.count += 1
        return self.observation_space.sample(), 1.0, self.count == 5, False, {}

    def render(self) -> np.ndarray:
        return np.full((60, 90, 3), self.count, np.uint8)


@pytest.fixture
def odd() -> Any:
    names = []

    def register(observation: Any, action: Any) -> str:
        names.append(f"Odd{len(names)}-v0")
        gymnasium.register(names[-1], lambda **given: Odd(observation, action, **given))
        return names[-1]

    yield register
    for name in names:
        del gymnasium.registry[name]


def test_cartpole_has_choices_and_terminates() -> None:
    environment = make("CartPole-v1")
    spec = environment.spec
    assert (spec.action.choices, spec.action.shape, spec.observation.shape, spec.episode_frames) == (2, (), (4,), 500)
    first = environment.reset(3)
    assert first.dtype == np.float32
    rows = [environment.step(np.int64(1))]
    while not rows[-1].terminated:
        rows.append(environment.step(np.int64(1)))
    assert not rows[-1].truncated
    np.testing.assert_array_equal(environment.fast_forward(3, np.ones(len(rows) - 1, np.int64)), rows[-2].observation)


def test_pendulum_is_rescaled_and_truncated() -> None:
    environment: Any = make("Pendulum-v1", action_repeat=2)
    environment.reset(3)
    rows = [environment.step(np.ones(1, np.float32)) for _ in range(100)]
    assert environment._env.unwrapped.last_u == 2.0
    assert [row.truncated for row in rows] == [False] * 99 + [True]
    assert not any(row.terminated for row in rows)
    plain = gymnasium.make("Pendulum-v1")
    plain.reset(seed=3)
    expected = sum(plain.step(np.array([2.0], np.float32))[1] for _ in range(2))
    assert rows[0].reward == pytest.approx(expected)


@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "FrozenLake-v1"])
def test_processes_and_inline_give_the_same_bits(task: str) -> None:
    reference = SuiteReference("unified.plugins.suites.gym.suite:Gym", task, {"action_repeat": 1, "pixels": False})
    rows = []
    for place in ("inline", "process"):
        with Vector(reference, 2, seed=1, placement=place) as vector:
            generator = np.random.default_rng(0)
            rows.append([vector.reset().copy()])
            space = vector.spec.action
            for _ in range(60):
                vector.begin(generator.integers(space.choices, size=2) if space.choices else generator.uniform(-1, 1, (2, *space.shape)))
                steps = vector.finish()
                rows[-1] += [steps.observation, steps.reset_observation, steps.reward]
    for one, other in zip(*rows, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cheap_tasks_stay_in_this_process() -> None:
    with Vector(
        SuiteReference("unified.plugins.suites.gym.suite:Gym", "CartPole-v1", {"action_repeat": 1, "pixels": False}), 2, 1
    ) as vector:
        assert vector.placement == "inline"


def test_mujoco_tasks_live_in_processes() -> None:
    assert Gym("HalfCheetah-v5", SimpleNamespace(action_repeat=1, pixels=False)).placement == "process"


def test_choices_become_one_hot_and_start_where_the_task_says(odd: Any) -> None:
    environment: Any = make(odd(spaces.Discrete(4, start=2), spaces.Discrete(3, start=-1)))
    first = environment.reset(1)
    assert (first.shape, first.sum(), first.dtype) == ((4,), 1.0, np.float32)
    environment.step(np.int64(0)), environment.step(np.int64(2))
    assert environment._env.unwrapped.taken == [-1, 1]


def test_images_become_channels_first(odd: Any) -> None:
    environment = make(odd(spaces.Box(0, 255, (6, 8, 3), np.uint8), spaces.Discrete(2)))
    assert environment.spec.observation.shape == (3, 6, 8)
    seen = environment.reset(1)
    assert (seen.shape, seen.dtype, seen.flags.c_contiguous) == ((3, 6, 8), np.uint8, True)


def test_numbers_without_axes_and_bounds(odd: Any) -> None:
    environment: Any = make(odd(spaces.Box(-1, 1, (), np.float64), spaces.Box(np.float32([-np.inf, 0]), np.float32([np.inf, 10]))))
    assert environment.reset(1).shape == (1,)
    environment.step(np.array([0.5, 0.5], np.float32))
    np.testing.assert_allclose(environment._env.unwrapped.taken[-1], [0.5, 7.5])


@pytest.mark.parametrize(
    ("observation", "action"),
    [
        (spaces.Tuple([spaces.Discrete(2)]), spaces.Discrete(2)),
        (spaces.Box(0, 1, (2, 2)), spaces.Discrete(2)),
        (spaces.Discrete(2), spaces.MultiDiscrete([2, 2])),
        (spaces.Discrete(2), spaces.Box(0, 1, (2, 2))),
    ],
)
def test_other_spaces_are_refused(odd: Any, observation: Any, action: Any) -> None:
    with pytest.raises(UsageError, match="can be a Box"):
        make(odd(observation, action))


def test_pixels_and_pictures(odd: Any) -> None:
    environment = make(odd(spaces.Discrete(2), spaces.Discrete(2)), pixels=True, size=30)
    assert environment.spec.observation.shape == (3, 30, 30)
    environment.reset(1)
    assert (environment.step(np.int64(1)).observation == 1).all()
    assert environment.render(120, 180).shape == (120, 180, 3)


def test_shrinking_takes_means_and_growing_repeats() -> None:
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    np.testing.assert_array_equal(resize(picture, 4, 6), picture)
    small = resize(picture, 2, 3)
    np.testing.assert_allclose(small, picture.reshape(2, 2, 3, 2, 3).mean((1, 3)), atol=1)
    np.testing.assert_array_equal(resize(picture, 8, 12)[::2, ::2], picture)
    assert resize(np.zeros((400, 600, 3), np.uint8), 84, 84).shape == (84, 84, 3)


def test_a_missing_package_for_pictures_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pygame", None)
    environment = make("CartPole-v1")
    environment.reset(1)
    with pytest.raises(UnsupportedRender, match="pip install"):
        environment.render(40, 60)


@pytest.mark.parametrize(("task", "says"), [("CartPol-v1", "CartPole-v1"), ("nowhere:Task-v0", "nowhere"), ("Qqqqqq", "Gymnasium says")])
def test_an_unknown_task_is_a_usage_error(task: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(task)
