"""Named observations, extra columns and reset options: through workers, replay, batches, checkpoints and rebuilt episodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Step, Suite
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Rollout, Transitions

POINTS = SuiteReference("unified.plugins.suites.goals.suite:Goals", "point_reach", {}, "unified.plugins.suites.goals.config:GoalsOptions")
MIXED = SuiteReference("unified.testing.mixed:Mixed", "", {})
PLACES = ("inline", "process")


def play(vector: WorkerVectorEnv, steps: int, options: Mapping[int, Any] | None = None, replay: Replay | None = None) -> list[bytes]:
    """Steps with actions that depend on their number, and reset options that are set before some of them."""
    found, space = [], vector.spec.action
    for step in range(steps):
        if step in (options or {}):
            vector.set_reset_options(0, (options or {})[step])
        random = np.random.default_rng(step)
        size = (vector.num_envs, *space.shape)
        actions = random.integers(0, space.n, size) if space.n else random.uniform(-1, 1, size).astype(np.float32)
        vector.step_async(actions)
        steps_ = vector.step_wait()
        if replay is not None:
            replay.extend(actions, steps_)
        arrays = [value for value in vars(steps_).values() if isinstance(value, np.ndarray)]
        found.append(b"".join(np.ascontiguousarray(each).tobytes() for each in (*arrays, *steps_.extra.values())))
    return found


def test_a_spec_survives_json() -> None:
    spec = WorkerVectorEnv(MIXED, 1, 0, placement="inline").spec
    assert Spec.from_json(spec.to_json()) == spec
    ranged = Spec(Space((2,), "float32"), Space((2,), "float32"), target_range=((0.0, 1.0), (2.0, 3.0)))
    assert Spec.from_json({**ranged.to_json(), "target_range": [[0.0, 1.0], [2.0, 3.0]]}) == ranged


@pytest.mark.parametrize("reference", [POINTS, MIXED])
def test_processes_and_inline_give_the_same_bits(reference: SuiteReference) -> None:
    rows = []
    for place in PLACES:
        with WorkerVectorEnv(reference, 2, seed=4, placement=place) as vector:
            first = vector.reset()
            assert first.dtype.names == tuple(vector.spec.observation)
            rows.append((first.tobytes(), play(vector, 30)))
    assert rows[0] == rows[1]


@pytest.mark.parametrize("place", PLACES)
def test_reset_options_reach_the_next_episode_and_only_that_one(place: str) -> None:
    with WorkerVectorEnv(POINTS, 2, seed=4, placement=place) as vector:
        vector.reset()
        vector.set_reset_options(1, {"goal": np.array([0.25, -0.5])})
        goals = []
        for _ in range(80):
            goals.append(vector.observations["desired_goal"].tolist())
            vector.step_async(np.zeros((2, 2), np.float32))
            vector.step_wait()
    assert goals[25][1] == goals[49][1] == [0.25, -0.5]
    assert all([0.25, -0.5] not in goals[step] for step in (0, 24, 50, 79))
    assert goals[25][0] != [0.25, -0.5]


@pytest.mark.parametrize("place", PLACES)
def test_an_episode_that_was_reset_with_options_is_rebuilt_exactly(place: str) -> None:
    """A resume that forgets the options of a reset."""
    options = {3: {"goal": [0.1, 0.2]}, 30: {"goal": [0.3, 0.4]}}
    with WorkerVectorEnv(POINTS, 1, seed=4, placement=place) as vector, WorkerVectorEnv(POINTS, 1, seed=4, placement="inline") as other:
        vector.reset()
        play(vector, 40, options)  # in the episode with the first options; the second are for the next one
        other.load_state_dict(vector.state_dict())
        assert other.exact
        assert play(other, 60) == play(vector, 60)


def test_a_lost_process_rebuilds_its_episode_with_its_options() -> None:
    with WorkerVectorEnv(POINTS, 1, seed=4, placement="process") as vector, WorkerVectorEnv(POINTS, 1, seed=4, placement="inline") as other:
        for each in (vector, other):
            each.reset()
            play(each, 30, {2: {"goal": [0.1, 0.2]}})
        vector._processes[0]._process.kill()
        vector._processes[0]._process.wait()
        assert play(vector, 30) == play(other, 30)
        assert vector.restarts == 1


def test_options_that_nothing_can_take_are_refused() -> None:
    plain = SuiteReference("unified.testing.environments:Counter", "counter", {"length": 1})
    with WorkerVectorEnv(plain, 1, seed=1, placement="inline") as vector:
        vector.reset()
        with pytest.raises(TypeError, match="plain data"):
            vector.set_reset_options(0, {"goal": object()})
        vector.set_reset_options(0, {"goal": 1})
        vector.step_async(np.zeros((1, 1), np.float32))
        with pytest.raises(UsageError, match="reset takes no options"):
            vector.step_wait()


class Wrong(Suite):
    def environment(self) -> Environment:
        return WrongEnvironment(self.options)


class WrongEnvironment(Environment):
    def __init__(self, answer: Step) -> None:
        self.answer = answer
        self.spec = Spec({"a": Space((2,), "float32")}, Space((1,), "float32"), columns={"c": Space((2,), "int64")})

    def reset(self, seed: int) -> Any:
        return {"a": np.zeros(2, np.float32)}

    def step(self, action: np.ndarray) -> Step:
        return self.answer


RIGHT = Step({"a": np.ones(2, np.float32)}, 0.0, False, False, extra={"c": [1, 2]})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"observation": {"b": np.ones(2, np.float32)}}, "has b where the environment's spec has a"),
        ({"observation": np.ones(2, np.float32)}, "is ndarray where the environment's spec has a"),
        ({"observation": {"a": np.ones(3, np.float32)}}, r"a: an observation is float32 \(3,\)"),
        ({"extra": {}}, "extra columns none where the environment's spec has c"),
        ({"extra": {"c": [1]}}, r"extra column c has the shape \(1,\)"),
    ],
)
def test_answers_that_do_not_fit_the_spec_cost_the_episode(wrong: dict[str, Any], says: str) -> None:
    with WorkerVectorEnv(Wrong("", RIGHT._replace(**wrong)), 1, seed=1) as vector:
        vector.reset()
        vector.step_async(np.zeros((1, 1), np.float32))
        assert vector.step_wait().failed.tolist() == [True]
        assert re.search(says, vector.env_failures[-1])


@pytest.mark.parametrize("view", [Transitions(batch_size=64, stack=2), Rollout(batch_size=64, stack=2)])
def test_batches_have_the_names_and_the_columns(view: Any, tmp_path: Any) -> None:
    with WorkerVectorEnv(MIXED, 2, seed=4, placement="inline") as vector:
        replay = Replay(vector.spec, view, 400, 2, Streams(1))
        for env_id, observation in enumerate(vector.reset()):
            replay.begin(env_id, observation)
        play(vector, 50, replay=replay)
    (batch,) = list(replay.batches(1, lambda batch: batch))[:1]
    assert batch.obs["image"].shape[1:] == (2, 16, 16)
    assert batch.obs["vector"].shape[1:] == (2,)
    assert torch.equal(batch.obs["vector"][:, 1], batch.bits[:, 1] * 2.0 - 1)
    assert torch.equal(batch.obs["image"][:, 1, 0, 0], (batch.bits[:, 0] * 255).to(torch.uint8))
    assert set(batch.bits.flatten().tolist()) == {0, 1}
    other = Replay(vector.spec, view, 400, 2, Streams(1))
    other.restore(tmp_path, replay.flush(tmp_path))
    for name, array in replay.store.data.items():
        held = int(replay.store.head[0])
        assert np.array_equal(array[:held], other.store.data[name][:held])


def test_a_column_cannot_have_the_name_of_another() -> None:
    spec = Spec(Space((1,), "float32"), Space((1,), "float32"), columns={"reward": Space((), "float32")})
    with pytest.raises(UsageError, match="extra column 'reward'"):
        Replay(spec, Transitions(), 100, 1, Streams(1))
