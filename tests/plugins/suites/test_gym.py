"""Gymnasium's tasks as the core sees them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unified.core.base.errors import UsageError
from unified.core.envs.suite import Environment, UnsupportedRender
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
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
    assert (spec.action.n, spec.action.shape, spec.observation.shape, spec.episode_frames) == (2, (), (4,), 500)
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
        with WorkerVectorEnv(reference, 2, seed=1, placement=place) as vector:
            generator = np.random.default_rng(0)
            rows.append([vector.reset().copy()])
            space = vector.spec.action
            for _ in range(60):
                vector.step_async(generator.integers(space.n, size=2) if space.n else generator.uniform(-1, 1, (2, *space.shape)))
                steps = vector.step_wait()
                rows[-1] += [steps.observation, steps.reset_observation, steps.reward]
    for one, other in zip(*rows, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cheap_tasks_stay_in_this_process() -> None:
    with WorkerVectorEnv(
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
    ("observation", "action", "says"),
    [
        (spaces.Text(5), spaces.Discrete(2), "neither a vector nor a picture"),
        (spaces.Discrete(2), spaces.Text(5), "actions can be Discrete, MultiDiscrete, MultiBinary or a Box"),
    ],
)
def test_other_spaces_are_refused(odd: Any, observation: Any, action: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(odd(observation, action))


def test_several_choices_and_things_to_see_from_end_to_end(odd: Any) -> None:
    shown = spaces.Dict({"wind": spaces.Box(-1, 1, (2,)), "gear": spaces.Discrete(3)})
    environment: Any = make(odd(shown, spaces.MultiDiscrete([2, 3])))
    shapes = {name: space.shape for name, space in environment.spec.spaces.items()}
    assert (shapes, environment.spec.action.n) == ({"obs.wind": (2,), "obs.gear": (3,)}, 6)
    assert environment.reset(1)["gear"].sum() == 1.0
    environment.step(np.int64(5))
    np.testing.assert_array_equal(environment._env.unwrapped.taken[-1], [1, 2])
    only = make(odd(shown, spaces.MultiBinary(2)), observe=("wind",))
    assert (only.spec.observation.shape, only.spec.action.n) == ((2,), 4)


def test_pixels_and_pictures(odd: Any) -> None:
    environment = make(odd(spaces.Discrete(2), spaces.Discrete(2)), pixels=True, size=30)
    assert environment.spec.observation.shape == (3, 30, 30)
    environment.reset(1)
    assert (environment.step(np.int64(1)).observation == 1).all()
    assert environment.render(120, 180).shape == (120, 180, 3)


def test_a_missing_package_for_pictures_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pygame", None)
    environment = make("CartPole-v1")
    environment.reset(1)
    with pytest.raises(UnsupportedRender, match="pip install"):
        environment.render(40, 60)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("CartPol-v1", "did you mean  gym:CartPole-v1"),
        ("CartPole", "did you mean  gym:CartPole-v1"),
        ("HalfCheetah-v3", "did you mean  gym:HalfCheetah-v5"),
        ("LunarLander-v2", "did you mean  gym:LunarLander-v3"),
        ("nowhere:Task-v0", "the package nowhere cannot be imported: ModuleNotFoundError"),
        ("numpy:Qqqqqq", "Gymnasium says"),
        ("FetchReach-v4", "of another package"),
    ],
)
def test_an_unknown_task_is_a_usage_error(task: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(task)


def test_the_package_of_an_id_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brings_a_task.py").write_text(
        "import gymnasium\ngymnasium.register('Brought-v0', 'gymnasium.envs.classic_control:CartPoleEnv', max_episode_steps=7)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    environment = make("brings_a_task:Brought-v0")
    try:
        assert environment.spec.episode_frames == 7
    finally:
        environment.close()
        gymnasium.registry.pop("Brought-v0")


class Buggy(gymnasium.Env):
    def __init__(self, render_mode: str | None = None) -> None:
        self.missing.attribute  # noqa: B018


@pytest.mark.parametrize(("target", "error", "says"), [("Nothing", UsageError, "Nothing"), ("Buggy", AttributeError, "missing")])
def test_a_missing_class_is_named_and_a_bug_of_a_class_is_not_hidden(target: str, error: type[Exception], says: str) -> None:
    gymnasium.register("Buggy-v0", f"{__name__}:{target}")
    try:
        with pytest.raises(error, match=says):
            make("Buggy-v0")
    finally:
        gymnasium.registry.pop("Buggy-v0")


# Bodies and landers


MUJOCO = {
    "HalfCheetah": (17, 6, 1000),
    "Ant": (105, 8, 1000),
    "Hopper": (11, 3, 1000),
    "Walker2d": (17, 6, 1000),
    "Humanoid": (348, 17, 1000),
    "HumanoidStandup": (348, 17, 1000),
    "Swimmer": (8, 2, 1000),
    "Reacher": (10, 2, 50),
    "Pusher": (23, 7, 100),
    "InvertedPendulum": (4, 1, 1000),
    "InvertedDoublePendulum": (9, 1, 1000),
}


def same_as_gymnasium(task: str, steps: int) -> Any:
    """The last step of an episode, after each was compared with what Gymnasium itself tells."""
    environment, plain = make(task), gymnasium.make(task)
    space, generator = environment.spec.action, np.random.default_rng(0)
    np.testing.assert_array_equal(environment.reset(5), plain.reset(seed=5)[0].astype(np.float32))
    for _ in range(steps):
        if space.n:
            action = env_action = generator.integers(space.n)
        else:
            action = generator.uniform(-1, 1, space.shape).astype(np.float32)
            env_action = (action * plain.action_space.high).astype(np.float32)  # the bounds of all of them are symmetric
        step, expected = environment.step(action), plain.step(env_action)
        np.testing.assert_allclose(step.observation, expected[0], rtol=1e-4, atol=1e-5)
        assert step[1:4] == (pytest.approx(expected[1], rel=1e-4), *expected[2:4])
        if step.terminated or step.truncated:
            break
    environment.close(), plain.close()
    return step


@pytest.mark.parametrize(
    "body", [body if body in ("HalfCheetah", "Reacher") else pytest.param(body, marks=pytest.mark.slow) for body in MUJOCO]
)
def test_mujoco_tasks_are_gymnasiums(body: str) -> None:
    task, (seen, moved, limit) = f"{body}-v5", MUJOCO[body]
    spec = make(task).spec
    assert (spec.observation.shape, spec.action.shape, spec.episode_frames) == ((seen,), (moved,), limit)
    last = same_as_gymnasium(task, min(limit, 120))
    assert last.truncated == (limit <= 120)


@pytest.mark.slow
def test_a_cheetah_runs_until_its_time_is_up() -> None:
    environment = make("HalfCheetah-v5")
    environment.reset(1)
    rows = [environment.step(np.zeros(6, np.float32)) for _ in range(1000)]
    assert [row.truncated for row in rows] == [False] * 999 + [True]
    assert not any(row.terminated for row in rows)


@pytest.mark.parametrize("task", ["LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3"])
def test_box2d_tasks_are_gymnasiums(task: str) -> None:
    pytest.importorskip("Box2D")
    assert same_as_gymnasium(task, 300).terminated  # nobody steers
    environment = make(task)
    first, actions = environment.reset(2), [np.zeros(environment.spec.action.shape, environment.spec.action.dtype)] * 30
    rows = [environment.step(action) for action in actions]
    environment.reset(3)
    np.testing.assert_array_equal(environment.reset(2), first)
    np.testing.assert_array_equal(environment.fast_forward(2, np.array(actions)), rows[-1].observation)


def test_a_missing_box2d_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(UsageError, match=r"gym:LunarLander-v3 needs Box2D.*pip install 'unified-ml\[gym-box2d\]'"):
        make("LunarLander-v3")
