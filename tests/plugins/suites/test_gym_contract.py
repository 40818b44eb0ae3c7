"""Gymnasium environments of other people: what they take and give, and their mistakes in their own words."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import unified
from unified.core.base.errors import UsageError
from unified.core.base.spec import Spec
from unified.core.envs.workers.inline import EnvServer
from unified.core.envs.workers.protocol import Message
from unified.plugins.suites.gym.environment import GymEnvironment
from unified.plugins.suites.gym.spaces import action_of, converters

f32 = np.float32
VECTOR, TWO = spaces.Box(-1, 1, (2,), f32), spaces.Discrete(2)


class Shows(gymnasium.Env):
    """Shows samples of its space, or one value."""

    def __init__(self, see: Any, do: Any = TWO, value: Any = None) -> None:
        self.observation_space, self.action_space, self.value = see, do, value

    def _shown(self) -> Any:
        return self.observation_space.sample() if self.value is None else self.value

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.count = 0
        return self._shown(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        self.count += 1
        return self._shown(), 1.0, False, self.count == 9, {}


def made(env: Any, **options: Any) -> GymEnvironment:
    return GymEnvironment("theirs", SimpleNamespace(action_repeat=1, pixels=False, **options), env)


# Boxes of actions -----------------------------------------------------------------------------------------------------------------


def box(low: Any, high: Any, dtype: Any = f32) -> Any:
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


@pytest.mark.parametrize(
    ("space", "least", "greatest"),
    [
        (box([0, 1], [np.inf, 5]), [0, 1], [2, 5]),
        (box([-np.inf], [-3]), [-5], [-3]),
        (box([-np.inf], [np.inf]), [-1], [1]),
        (box([10], [3e38]), [10], [12]),
        (box([0], [2**63], np.uint64), [0], [2]),
        (box([-3, 0], [3, 7], np.int64), [-3, 0], [3, 7]),
        (box([-0.1], [0.3], np.float64), [-0.1], [0.3]),
    ],
)
def test_the_bounds_of_a_box_are_reached_and_never_passed(space: Any, least: list[float], greatest: list[float]) -> None:
    _, to_env = action_of("theirs", space)
    for policy, expected in ((-1.0, least), (1.0, greatest)):
        action = to_env(np.full(space.shape, policy, f32))
        assert space.contains(action)
        np.testing.assert_array_equal(action, np.array(expected, space.dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_never_leaves_a_box(dtype: Any) -> None:
    generator = np.random.default_rng(0)
    low = generator.normal(0, 3, 2000).astype(dtype)
    space = spaces.Box(low, low + generator.exponential(1, 2000).astype(dtype), dtype=dtype)
    _, to_env = action_of("theirs", space)
    for action in (-np.ones(2000, f32), np.ones(2000, f32), generator.uniform(-1, 1, 2000).astype(f32)):
        assert space.contains(to_env(action))


# Acting outside of training -------------------------------------------------------------------------------------------------------

WORLDS = {
    "action Box (2, 3)": (VECTOR, spaces.Box(-1, 3, (2, 3), f32)),
    "action Box (2, 3) float64": (VECTOR, spaces.Box(-0.1, 0.3, (2, 3), np.float64)),
    "action half-bounded": (VECTOR, box([0, -np.inf], [np.inf, 5])),
    "action Discrete with a start": (VECTOR, spaces.Discrete(4, start=3)),
    "action MultiDiscrete": (VECTOR, spaces.MultiDiscrete([3, 2], start=[1, 5])),
    "action MultiBinary": (VECTOR, spaces.MultiBinary((2, 2))),
    "observation Discrete with a start": (spaces.Discrete(5, start=2), TWO),
    "observation MultiDiscrete": (spaces.MultiDiscrete([[2, 3], [4, 2]]), TWO),
    "observation MultiBinary": (spaces.MultiBinary((2, 3)), TWO),
    "observation Dict": (spaces.Dict(a=VECTOR, b=spaces.Discrete(3), c=spaces.Dict(d=spaces.MultiBinary(2))), TWO),
    "observation Tuple": (spaces.Tuple((VECTOR, spaces.Discrete(3))), TWO),
    "observation Box (2, 2)": (spaces.Box(-np.inf, np.inf, (2, 2), f32), TWO),
    "observation float64": (spaces.Box(-1, 1, (2,), np.float64), TWO),
    "observation (H, W, C)": (spaces.Box(0, 255, (36, 38, 3), np.uint8), TWO),
    "observation (H, W)": (spaces.Box(0, 255, (36, 38), np.uint8), TWO),
    "both": (spaces.Dict(image=spaces.Box(0, 255, (8, 9, 3), np.uint8), speed=VECTOR), spaces.MultiDiscrete([2, 2])),
}


@pytest.mark.parametrize("name", WORLDS)
def test_conversions_without_the_environment_are_those_of_the_environment(name: str) -> None:
    see, do = WORLDS[name]
    environment = made(Shows(see, do))
    spec = Spec.from_json(json.loads(json.dumps(environment.spec.to_json())))
    observe, enact = converters(spec.interface)
    space, generator = spec.action, np.random.default_rng(0)
    for seed in range(5):
        see.seed(seed)
        shown = see.sample()
        expected, found = environment._observe(shown), observe(shown)
        if not isinstance(expected, dict):
            expected, found = {"": expected}, {"": found}
        assert {key: (value.dtype, value.tolist()) for key, value in found.items()} == {
            key: (value.dtype, value.tolist()) for key, value in expected.items()
        }
        action = np.array(generator.integers(space.n)) if space.n else generator.uniform(-1, 1, space.shape).astype(f32)
        assert do.contains(enact(action))
        np.testing.assert_array_equal(enact(action), environment._enact(action))


def test_observations_that_were_left_out_may_be_given() -> None:
    see = spaces.Dict(text=spaces.Text(4), speed=VECTOR)
    observe, _ = converters(made(Shows(see), observe=("speed",)).spec.interface)
    np.testing.assert_array_equal(observe({"text": "abcd", "speed": np.ones(2, f32)}), np.ones(2))


def quick(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"root": str(tmp_path), "callbacks": [], "device": "cpu", "train.frames": 16, "evaluate.episodes": 1, "agent.n_steps": 8} | more


@pytest.mark.parametrize("name", ["action Box (2, 3)", "action Discrete with a start", "observation Dict", "observation (H, W, C)"])
def test_a_loaded_policy_takes_and_gives_what_the_environment_does(name: str, tmp_path: Path) -> None:
    see, do = WORLDS[name]
    run = unified.train(agent="ppo", suite=Shows(see, do), config=quick(tmp_path, **{"train.num_envs": 1, "evaluate.every": 0}))
    env, policy = Shows(see, do), unified.load(run)
    observation, _ = env.reset(seed=0)
    policy.reset()
    for _ in range(9):
        observation, *_ = env.step(policy.act(observation))  # asserts that the action is in the space


# Observations that are not in the declared space ----------------------------------------------------------------------------------

PICTURE = spaces.Box(0, 255, (3, 36, 36), np.uint8)


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (PICTURE, np.full((3, 36, 36), 0.7, f32)),
        (PICTURE, np.full((3, 36, 36), 300)),
        (PICTURE, np.full((3, 36, 36), -1)),
        (PICTURE, np.full((36, 36, 3), 1, np.uint8)),
        (spaces.Discrete(3), -1),
        (spaces.Discrete(3), 3),
        (spaces.Discrete(3), 1.5),
        (spaces.Discrete(3), "1"),
        (spaces.MultiDiscrete([3, 3]), np.array([3, 0])),
        (spaces.MultiDiscrete([3, 3]), np.array([1])),
        (spaces.MultiBinary(3), [2, 0, 1]),
        (VECTOR, np.zeros(3)),
        (VECTOR, [[0.0, 1.0], [0.0]]),
        (spaces.Dict(a=VECTOR, b=TWO), {"a": np.zeros(2)}),
        (spaces.Tuple((VECTOR, TWO)), (np.zeros(2),)),
    ],
)
def test_what_is_not_in_the_space_is_refused(space: Any, value: Any) -> None:
    with pytest.raises(UsageError, match="an observation of theirs is not in its observation_space"):
        made(Shows(space, value=value)).reset(0)


@pytest.mark.parametrize(("value", "expected"), [(1.0, [0, 1, 0]), (np.int8(2), [0, 0, 1]), (np.array(0), [1, 0, 0])])
def test_whole_numbers_of_any_type_are_choices(value: Any, expected: list[int]) -> None:
    assert made(Shows(spaces.Discrete(3), value=value)).reset(0).tolist() == expected  # type: ignore[union-attr]


# Mistakes of a first environment --------------------------------------------------------------------------------------------------


FIRST = (np.zeros(2, f32), {})


def answering(reset: Any = FIRST, **step: Any) -> GymEnvironment:
    env: Any = Shows(VECTOR)
    answer = {"observation": np.zeros(2, f32), "reward": 1.0, "terminated": False, "truncated": False, "info": {}} | step
    env.reset = lambda **_: reset
    env.step = lambda action: tuple(value for value in answer.values() if value is not Ellipsis)
    return made(env)


@pytest.mark.parametrize("answer", [np.zeros(3, f32), np.zeros(2, f32), (np.zeros(2, f32), {}, 1), None, (np.zeros(2), np.zeros(2))])
def test_what_reset_must_return(answer: Any) -> None:
    with pytest.raises(UsageError, match=r"theirs: reset must return \(observation, info\), not "):
        answering(answer).reset(0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"truncated": ...}, r"step must return \(observation, reward, terminated, truncated, info\), not a tuple of 4"),
        ({"reward": None}, "the reward of step must be a number, not None"),
        ({"reward": [1.0]}, "the reward of step must be a number, not a list"),
        ({"reward": np.ones(2)}, r"the reward of step must be a number, not an array of shape \(2,\)"),
        ({"reward": "1"}, "the reward of step must be a number, not '1'"),
        ({"terminated": "False"}, "terminated of step must be True or False, not 'False'"),
        ({"terminated": None}, "terminated of step must be True or False, not None"),
        ({"truncated": np.array([False, False])}, r"truncated of step must be True or False, not an array of shape \(2,\)"),
    ],
)
def test_what_step_must_return(wrong: dict[str, Any], says: str) -> None:
    environment = answering(**wrong)
    environment.reset(0)
    with pytest.raises(UsageError, match=says):
        environment.step(np.int64(0))


@pytest.mark.parametrize("reward", [np.ones(1, f32), np.float64(1), 1, True, np.array(1.0)])
@pytest.mark.parametrize("flag", [np.zeros(1, bool), np.bool_(False), 0, np.array(False)])
def test_numbers_and_flags_of_libraries_are_taken(reward: Any, flag: Any) -> None:
    environment = answering(reward=reward, terminated=flag, truncated=flag)
    environment.reset(0)
    assert environment.step(np.int64(0))[1:4] == (1.0, False, False)


def test_reset_must_take_a_seed() -> None:
    class NoSeed(Shows):
        def reset(self) -> Any:  # type: ignore[override]
            return np.zeros(2, f32), {}

    with pytest.raises(UsageError, match=r"declare it as  def reset\(self, \*, seed=None, options=None\)"):
        made(NoSeed(VECTOR)).reset(0)


def test_a_reward_that_float32_cannot_hold_fails_its_episode() -> None:
    suite: Any = SimpleNamespace(environment=lambda: answering(reward=1e39))
    server = EnvServer(suite)
    server.serve(Message({"op": "reset", "seed": 0}))
    assert server.serve(Message({"op": "step", "next": 1}, (np.int64(0),))).head["failed"] == "the reward was 1e+39"
