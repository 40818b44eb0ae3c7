"""Vectors: the same episodes wherever they run, and whatever happens to the processes."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.processes import lives, soon
from unified.core.base.errors import UnifiedError, UsageError
from unified.core.base.rng import derive
from unified.core.base.spec import Space, Spec
from unified.core.envs import vector_env as module
from unified.core.envs.placement import step_seconds
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Environment, Step, Suite, UnsupportedRender
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import STARTS, WorkerVectorEnv
from unified.core.envs.workers.process import EnvProcess
from unified.testing.environments import Counter

PLACES = ("inline", "process")


def counter(**options: Any) -> SuiteReference:
    return SuiteReference("unified.testing.environments:Counter", "counter", options)


def actions(vector: WorkerVectorEnv, step: int) -> np.ndarray:
    generator = np.random.default_rng(step)
    space = vector.spec.action
    if space.n:
        return generator.integers(space.n, size=vector.num_envs)
    return generator.uniform(-1, 1, (vector.num_envs, *space.shape)).astype(space.dtype)


def play(vector: WorkerVectorEnv, count: int, start: int = 0) -> list[StepBatch]:
    rows = []
    for step in range(start, start + count):
        vector.step_async(actions(vector, step))
        rows.append(vector.step_wait())
    return rows


def same(left: list[StepBatch], right: list[StepBatch]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for name, array in vars(one).items():
            np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


@pytest.mark.parametrize("options", [{"length": 7}, {"length": 5, "choices": 3, "terminates": True}, {"pixels": 8, "length": 4}])
def test_processes_and_inline_give_the_same_bits(options: dict[str, Any]) -> None:
    recorded = []
    for place in PLACES:
        with WorkerVectorEnv(counter(**options), 3, seed=4, placement=place) as vector:
            first = vector.reset().copy()
            recorded.append((first, play(vector, 23)))
            assert vector.placement == place
    np.testing.assert_array_equal(recorded[0][0], recorded[1][0])
    same(recorded[0][1], recorded[1][1])


@pytest.mark.parametrize("workers", [1, 2])
def test_environments_that_share_processes_give_the_same_bits(workers: int) -> None:
    with WorkerVectorEnv(counter(length=7), 5, seed=4, placement="inline") as inline:
        inline.reset()
        expected = play(inline, 16)
    with WorkerVectorEnv(counter(length=7), 5, seed=4, placement="process", workers=workers) as vector:
        vector.reset()
        assert len({port.process.pid for port in vector._ports}) == min(workers, 5)  # type: ignore[attr-defined]
        same(play(vector, 16), expected)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("terminates", [True, False])
def test_an_end_tells_the_last_observation_and_the_next_first_one(place: str, terminates: bool) -> None:
    with WorkerVectorEnv(counter(length=3, terminates=terminates), 2, seed=1, placement=place) as vector:
        first = vector.reset()
        assert first[:, 0].tolist() == [derive(1, "environment", i, 0, bits=31) % 1000 for i in range(2)]
        rows = play(vector, 4)
    assert [row.observation[0, 1] for row in rows] == [1, 2, 3, 1]
    assert [row.terminated.tolist() for row in rows[:3]] == [[False] * 2, [False] * 2, [terminates] * 2]
    assert [row.truncated.tolist() for row in rows[:3]] == [[False] * 2, [False] * 2, [not terminates] * 2]
    last = rows[2]
    assert last.reset_observation[:, 0].tolist() == [derive(1, "environment", i, 1, bits=31) % 1000 for i in range(2)]
    assert last.lengths.tolist() == [3, 3]
    np.testing.assert_allclose(last.returns, sum(row.reward for row in rows[:3]), rtol=1e-6)
    np.testing.assert_array_equal(rows[3].observation[:, 0], last.reset_observation[:, 0])


def test_every_environment_and_episode_and_stream_has_its_own_seed() -> None:
    with WorkerVectorEnv(counter(length=2), 4, seed=1) as vector:
        seen = [*vector.reset()[:, 2], *play(vector, 2)[-1].reset_observation[:, 2]]
        again = vector.reset("environment")[:, 2]
        other = vector.reset("evaluation 3")[:, 2]
    assert len(set(seen)) == 8
    assert again.tolist() == seen[:4]
    assert not set(other.tolist()) & set(seen)


def test_observations_are_what_to_act_on() -> None:
    with WorkerVectorEnv(counter(length=3), 2, seed=1) as vector:
        vector.reset()
        for row in play(vector, 7):
            expected = np.where(row.ended[:, None], row.reset_observation, row.observation)
        np.testing.assert_array_equal(vector.observations, expected)


def test_rows_are_not_written_again() -> None:
    with WorkerVectorEnv(counter(), 2, seed=1) as vector:
        vector.reset()
        (row,) = play(vector, 1)
        kept = row.observation.copy()
        play(vector, 5, start=1)
        np.testing.assert_array_equal(row.observation, kept)


# Processes that die or hang


def test_a_killed_worker_changes_nothing() -> None:
    with WorkerVectorEnv(counter(length=9), 2, seed=4, placement="process") as undisturbed:
        undisturbed.reset()
        expected = play(undisturbed, 20)
    with WorkerVectorEnv(counter(length=9), 2, seed=4, placement="process") as vector:
        vector.reset()
        rows = play(vector, 5)
        os.kill(vector._ports[1].process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        rows += play(vector, 15, start=5)
        assert (vector.restarts, vector.failed_episodes) == (1, 0)
        assert "killed by signal 9" in vector.env_failures[0]
    same(rows, expected)


def test_a_killed_process_of_several_environments_changes_nothing() -> None:
    with WorkerVectorEnv(counter(length=9), 4, seed=4, placement="inline") as undisturbed:
        undisturbed.reset()
        expected = play(undisturbed, 20)
    with WorkerVectorEnv(counter(length=9), 4, seed=4, placement="process", workers=2) as vector:
        vector.reset()
        rows = play(vector, 5)
        os.kill(vector._processes[1].pid, signal.SIGKILL)
        rows += play(vector, 15, start=5)
        assert (vector.restarts, vector.failed_episodes) == (1, 0)
        lost = [line for line in vector.env_failures if "killed by signal 9" in line]
        assert [line.split(",")[0] for line in lost] == ["environment 2", "environment 3"]
    same(rows, expected)


FAULTY = """
import os
from unified.testing.environments import Counter, CounterEnvironment

class Faulty(CounterEnvironment):
    def reset(self, seed):
        self.fault("reset", seed)
        return super().reset(seed)
    def step(self, action):
        self.fault("step", self.seed)
        return super().step(action)
    def fault(self, what, seed):
        name, guilty = os.environ["FAULT"].split()
        if name == what and seed == int(guilty) and self.steps == (4 if what == "step" else 9):
            os._exit(3)

class Mine(Counter):
    def environment(self):
        return Faulty(self.settings)
"""


POOLED = """
import os
from unified.testing.environments import Counter, CounterEnvironment

class Pooled(CounterEnvironment):
    def reset(self, seed):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["LP_NUM_THREADS"]) == ("1", "0")
        return super().reset(seed)

class Mine(Counter):
    def environment(self):
        return Pooled(self.settings)
"""


def test_a_process_computes_and_renders_in_the_thread_that_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pooled.py").write_text(POOLED)
    for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS"):
        monkeypatch.setenv(name, "4")
    with WorkerVectorEnv(SuiteReference(f"{tmp_path / 'pooled.py'}:Mine", "task", {}), 1, seed=4, placement="process") as vector:
        vector.reset()
        assert not vector.env_failures


SLOW = [pytest.param("step", 0, marks=pytest.mark.slow), pytest.param("reset", 1, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("what", "guilty"), [("step", 1), *SLOW])
def test_an_environment_that_ends_its_process_fails_alone(what: str, guilty: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its process go on as if nothing had happened; it is told from them by dying twice."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.setenv("FAULT", f"{what} {derive(4, 'environment', guilty, int(what == 'reset'), bits=31)}")
    with WorkerVectorEnv(counter(length=9), 3, seed=4, placement="inline") as undisturbed:
        undisturbed.reset()
        expected = play(undisturbed, 24)
    reference = SuiteReference(f"{tmp_path / 'faulty.py'}:Mine", "task", {"length": 9})
    with WorkerVectorEnv(reference, 3, seed=4, placement="process", workers=1) as vector:
        vector.reset()
        rows = play(vector, 24)
        assert (vector.failed_episodes, vector.restarts) == (1, 2)
        (line,) = [line for line in vector.env_failures if "discarded" in line]
        assert line.startswith(f"environment {guilty}, episode 0 was discarded")
    others = [i for i in range(3) if i != guilty]
    for row, wanted in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row.observation[others], wanted.observation[others])
        np.testing.assert_array_equal(row.reset_observation[others], wanted.reset_observation[others])
        assert not row.failed[others].any()
    assert [step for step, row in enumerate(rows) if row.failed[guilty]] == [4 if what == "step" else 8]


@pytest.mark.slow
def test_environments_that_take_seconds_to_build_are_waited_for(tmp_path: Path) -> None:
    lines = ("import time", "from unified.testing.environments import Counter", "class Slow(Counter):", "    def environment(self):")
    (tmp_path / "late.py").write_text("\n".join([*lines, "        time.sleep(0.7)", "        return super().environment()", ""]))
    with WorkerVectorEnv(SuiteReference(f"{tmp_path / 'late.py'}:Slow", "task"), 2, seed=4, placement="process", workers=1) as vector:
        assert vector.reset().shape == (2, 3)


@pytest.mark.slow
def test_each_environment_of_a_process_has_the_whole_time_limit() -> None:
    with WorkerVectorEnv(counter(pause=1.1), 3, seed=4, placement="process", workers=1, timeout=2.5) as vector:
        vector.reset()
        assert not play(vector, 1)[0].failed.any()
        assert vector.restarts == 0


def test_a_process_that_says_it_is_at_work_while_it_builds_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    receive, frames = EnvProcess._receive, [None, None]
    monkeypatch.setattr(EnvProcess, "_receive", lambda self, timeout: frames.pop() if frames else receive(self, timeout))
    with WorkerVectorEnv(counter(), 2, seed=4, placement="process", workers=1) as vector:
        assert not frames
        vector.reset()
        assert not play(vector, 2)[1].failed.any()


@pytest.mark.parametrize("what", ["hang", "die"])
def test_a_worker_lost_once_is_rebuilt(what: str, tmp_path: Path) -> None:
    with WorkerVectorEnv(counter(), 1, seed=4, placement="inline") as undisturbed:
        undisturbed.reset()
        expected = play(undisturbed, 14)
    options = {"misbehave": what, "at": 4, "once": str(tmp_path / "once")}
    with WorkerVectorEnv(counter(**options), 1, seed=4, placement="process", timeout=1.0) as vector:
        vector.reset()
        same(play(vector, 14), expected)
        assert (vector.restarts, vector.failed_episodes) == (1, 0)


@pytest.mark.parametrize("what", ["hang", "die"])
def test_a_worker_lost_twice_at_one_step_discards_the_episode(what: str) -> None:
    with WorkerVectorEnv(counter(misbehave=what, at=3), 1, seed=4, placement="process", timeout=0.5) as vector:
        vector.reset()
        rows = play(vector, 3)
        assert [bool(row.failed[0]) for row in rows] == [False, False, True]
        assert not rows[2].interrupted[0]
        assert (vector.restarts, vector.failed_episodes) == (2, 1)
        assert rows[2].reset_observation[0, 0] == derive(4, "environment", 0, 1, bits=31) % 1000
        assert play(vector, 2)[-1].observation[0, 1] == 2


def test_a_worker_lost_at_reset_is_replaced(tmp_path: Path) -> None:
    options = {"misbehave": "die", "at": 0, "once": str(tmp_path / "once")}
    with WorkerVectorEnv(counter(**options), 1, seed=4, placement="process") as vector:
        assert vector.reset()[0, 0] == derive(4, "environment", 0, 0, bits=31) % 1000
        assert (vector.restarts, vector.failed_episodes) == (1, 0)


def test_an_environment_that_is_not_deterministic_is_not_rebuilt() -> None:
    with WorkerVectorEnv(counter(deterministic=False), 1, seed=4, placement="process") as vector:
        vector.reset()
        play(vector, 2)
        os.kill(vector._ports[0].process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        steps = play(vector, 1)[0]
        assert steps.failed[0]
        assert steps.interrupted[0]
        assert (vector.restarts, vector.failed_episodes) == (1, 1)
        assert "truncated after 2 steps" in vector.env_failures[-1]


# Episodes that fail


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", ["nan", "nan_reward", "fail"])
def test_a_failed_episode_is_discarded_and_the_next_one_begins(place: str, what: str) -> None:
    with WorkerVectorEnv(counter(misbehave=what, at=3), 2, seed=4, placement=place) as vector:
        vector.reset()
        rows = play(vector, 4)
        assert [row.failed.tolist() for row in rows] == [[False] * 2, [False] * 2, [True] * 2, [False] * 2]
        assert not rows[2].ended.any()
        assert np.isfinite(rows[2].observation).all()
        assert rows[2].reset_observation[0, 0] == derive(4, "environment", 0, 1, bits=31) % 1000
        assert vector.failed_episodes == 2
        assert len(vector.env_failures) == 2


@pytest.mark.parametrize("place", PLACES)
def test_an_episode_that_cannot_start_is_skipped(place: str, tmp_path: Path) -> None:
    options = {"misbehave": "fail", "at": 0, "once": str(tmp_path / place)}
    with WorkerVectorEnv(counter(**options), 1, seed=4, placement=place) as vector:
        assert vector.reset()[0, 0] == derive(4, "environment", 0, 1, bits=31) % 1000
        assert vector.failed_episodes == 1


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", ["fail", "raise"])
def test_episodes_that_never_start_are_failed_rows(place: str, what: str) -> None:
    with WorkerVectorEnv(counter(misbehave=what, at=0), 1, seed=4, placement=place) as vector:
        vector.reset()
        rows = play(vector, 3)
        assert [row.failed.tolist() for row in rows] == [[True]] * 3
        assert vector.failed_episodes == 4 * STARTS
        assert "could not start: " in vector.env_failures[-1]
        assert "as requested" in vector.env_failures[-1]
        state = vector.state_dict()
    with WorkerVectorEnv(counter(), 1, seed=4, placement=place) as vector:
        vector.load_state_dict(state)
        assert "it had not started" in vector.env_failures[-1]
        assert not play(vector, 1)[0].failed


@pytest.mark.parametrize("place", PLACES)
def test_an_episode_starts_after_rows_that_failed(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.envs.vector_env.STARTS", 1)
    options = {"misbehave": "raise", "at": 0, "once": str(tmp_path / place)}
    with WorkerVectorEnv(counter(**options), 1, seed=4, placement=place) as vector:
        assert not vector.reset().any()
        rows = play(vector, 2)
        assert [row.failed.tolist() for row in rows] == [[True], [False]]
        assert rows[0].reset_observation[0, 0] == derive(4, "environment", 0, 1, bits=31) % 1000


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("what", "says"), [("raise", "ValueError: as requested"), ("shape", r"float32 \(2,\)")])
def test_a_bug_of_the_environment_costs_its_episode(place: str, what: str, says: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with WorkerVectorEnv(counter(misbehave=what), 1, seed=4, placement=place, output=log) as vector:
        vector.reset()
        assert play(vector, 1)[0].failed
        assert re.search(rf"environment 0, episode 0 was discarded: .*{says}", vector.env_failures[0])
        play(vector, 1)
    if what == "raise":
        assert "environments.py:" in vector.env_failures[0]
        assert "in _misbehave" in log.read_text()


# Building


@pytest.mark.parametrize("place", PLACES)
def test_an_environment_that_cannot_be_built_says_why(place: str) -> None:
    with pytest.raises((UnifiedError, RuntimeError), match="it cannot be built"):
        WorkerVectorEnv(counter(misbehave="build"), 2, seed=4, placement=place)


def test_processes_end_when_one_of_them_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[EnvProcess] = []

    class Recorded(EnvProcess):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("unified.core.envs.vector_env.EnvProcess", Recorded)
    with pytest.raises((UnifiedError, RuntimeError), match="it cannot be built"):
        WorkerVectorEnv(counter(misbehave="build"), 2, seed=4, placement="process", workers=2)
    assert len(made) == 2
    assert not any(lives(process.pid) for process in made)


def test_a_suite_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unified_nowhere"):
        WorkerVectorEnv(SuiteReference("unified_nowhere:Suite", "task"), 1, seed=1)


def test_a_suite_in_a_file_reaches_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from unified.testing.environments import Counter\nclass Mine(Counter):\n    pass\n")
    with WorkerVectorEnv(SuiteReference(f"{path}:Mine", "task"), 1, seed=1, placement="process") as vector:
        assert vector.reset().shape == (1, 3)


def test_a_built_suite_can_be_given() -> None:
    class Local(Counter):
        pass

    reference = counter(length=4)
    assert SuiteReference.of(reference.build()) == reference
    assert SuiteReference.from_json(reference.to_json()) == reference
    with WorkerVectorEnv(Local("local", reference.build().options), 1, seed=1) as vector:
        assert vector.placement == "inline"
    with pytest.raises(UsageError, match="Local"):
        WorkerVectorEnv(Local("local", reference.build().options), 1, seed=1, placement="process")


@pytest.mark.parametrize(("pause", "place"), [(0.0, "inline"), (0.003, "process")])
def test_slow_environments_get_processes(pause: float, place: str) -> None:
    with WorkerVectorEnv(counter(pause=pause), 1, seed=1) as vector:
        assert vector.placement == place


class Grid(Environment):
    """An action has 2 x 3 numbers with bounds of their own, one of them infinite."""

    def __init__(self) -> None:
        low, high = tuple(float(-i - 1) for i in range(6)), (*(float(i + 1) for i in range(5)), math.inf)
        self.spec = Spec(Space((1,), "float32"), Space((2, 3), "float32", low, high))

    def reset(self, seed: int) -> np.ndarray:
        return np.zeros(1, np.float32)

    def step(self, action: np.ndarray) -> Step:
        low, high = (np.reshape(bound, (2, 3)) for bound in (self.spec.action.low, self.spec.action.high))
        assert ((low <= action) & (action <= high)).all()
        return Step(np.zeros(1, np.float32), 0.0, False, False)


def test_the_time_of_a_step_is_measured_with_bounds_of_each_element() -> None:
    class Grids(Suite):
        def environment(self) -> Environment:
            return Grid()

    assert step_seconds(Grids("grid", None)) >= 0


# State


@pytest.mark.parametrize("place", PLACES)
def test_a_loaded_state_continues_bit_for_bit_in_mid_episode(place: str) -> None:
    with WorkerVectorEnv(counter(length=8), 3, seed=4, placement="inline") as straight:
        straight.reset()
        play(straight, 13)
        state, current = straight.state_dict(), straight.observations.copy()
        expected = play(straight, 12, start=13)
    with WorkerVectorEnv(counter(length=8), 3, seed=4, placement=place) as vector:
        vector.load_state_dict(state)
        assert vector.exact
        np.testing.assert_array_equal(vector.observations, current)
        same(play(vector, 12, start=13), expected)


def test_a_state_right_after_a_reset_can_be_loaded() -> None:
    with WorkerVectorEnv(counter(), 2, seed=4) as vector, WorkerVectorEnv(counter(), 2, seed=4) as other:
        first = vector.reset("evaluation 1").copy()
        other.load_state_dict(vector.state_dict())
        assert other.exact
        np.testing.assert_array_equal(other.observations, first)
        same(play(vector, 12), play(other, 12))


def test_what_cannot_be_rebuilt_is_said_and_begins_anew() -> None:
    with WorkerVectorEnv(counter(), 2, seed=4) as vector, WorkerVectorEnv(counter(), 2, seed=4) as other:
        vector.reset()
        play(vector, 3)
        state = vector.state_dict()
        state["lanes"][1]["observation"][2] += 1
        other.load_state_dict(state)
        assert not other.exact
        assert other.rebuilt.tolist() == [True, False]
        assert other.failed_episodes == 0
        assert other.observations[:, 1].tolist() == [3, 0]
        (line,) = other.env_failures
        assert "environment 1, episode 0 was truncated after 3 steps, so this resume is not exact" in line
    with WorkerVectorEnv(counter(deterministic=False), 1, seed=4) as vector:
        vector.reset()
        play(vector, 3)
        vector.load_state_dict(vector.state_dict())
        assert not vector.exact
        assert "not deterministic" in vector.env_failures[0]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_saved_state_takes_the_place_of_the_actions(place: str, deterministic: bool) -> None:
    options = {"stateful": True, "deterministic": deterministic, "length": 1000}
    with WorkerVectorEnv(counter(**options), 2, seed=4, placement=place) as straight:
        straight.reset()
        play(straight, 20)
        early = straight.state_dict()
        play(straight, 200, start=20)
        state, current = straight.state_dict(), straight.observations.copy()
        assert _bytes(state) == _bytes(early)
        expected = play(straight, 9, start=220)
    with WorkerVectorEnv(counter(**options), 2, seed=4, placement=place) as vector:
        vector.load_state_dict(state)
        assert vector.exact
        assert not vector.env_failures
        np.testing.assert_array_equal(vector.observations, current)
        same(play(vector, 9, start=220), expected)


def _bytes(state: dict[str, Any]) -> int:
    """Bytes of the arrays that are saved of an episode."""
    return sum(lane["actions"].nbytes + sum(array.nbytes for array in (lane["state"] or {}).values()) for lane in state["lanes"])


def test_actions_are_kept_up_to_a_bound_and_the_episode_is_truncated_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REBUILD_STEPS", 6)
    with WorkerVectorEnv(counter(length=1000), 1, seed=4) as vector, WorkerVectorEnv(counter(length=1000), 1, seed=4) as other:
        vector.reset()
        play(vector, 5)
        other.load_state_dict(vector.state_dict())
        assert other.exact
        play(vector, 5, start=5)
        state = vector.state_dict()
        assert not state["lanes"][0]["actions"].size
        other.load_state_dict(state)
        assert not other.exact
        assert other.env_failures[0].endswith(
            "episode 0 was truncated after 10 steps, so this resume is not exact: "
            "it is longer than 6 steps and the environment has no state_dict"
        )
        assert other.observations[0].tolist()[:2] == [derive(4, "environment", 0, 1, bits=31) % 1000, 0]
        vector.reset()
        assert vector.state_dict()["lanes"][0]["rebuildable"]


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_killed_worker_goes_on_from_the_newest_state(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REBUILD_STEPS", 6)
    options = {"stateful": True, "deterministic": deterministic, "length": 1000}
    with WorkerVectorEnv(counter(**options), 1, seed=4, placement="process") as vector:
        vector.reset()
        state = None
        for step in range(20):
            if step == 14:
                state = vector.state_dict()
            if step == 16:
                os.kill(vector._ports[0].process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            (row,) = play(vector, 1, start=step)
        assert (vector.restarts, vector.failed_episodes) == (1, 0)
        with WorkerVectorEnv(counter(**options), 1, seed=4) as straight:
            assert state is not None
            straight.load_state_dict(state)
            np.testing.assert_array_equal(play(straight, 6, start=14)[-1].observation, row.observation)


@pytest.mark.parametrize("stateful", [True, False])
def test_a_process_that_is_killed_while_episodes_are_rebuilt_or_saved_changes_nothing(stateful: bool) -> None:
    options = {"stateful": stateful, "length": 9}
    with WorkerVectorEnv(counter(**options), 2, seed=4) as straight:
        straight.reset()
        play(straight, 5)
        state = straight.state_dict()
        expected = play(straight, 10, start=5)
    with WorkerVectorEnv(counter(**options), 2, seed=4, placement="process", workers=1) as vector:
        os.kill(vector._processes[0].pid, signal.SIGKILL)
        vector.load_state_dict(state)
        assert vector.exact
        os.kill(vector._processes[0].pid, signal.SIGKILL)
        saved = vector.state_dict()
        assert [lane["length"] for lane in saved["lanes"]] == [lane["length"] for lane in state["lanes"]]
        for lane, before in zip(saved["lanes"], state["lanes"], strict=True):
            np.testing.assert_array_equal(lane["actions"], before["actions"])
        same(play(vector, 10, start=5), expected)
        assert vector.failed_episodes == 0


# Order of calls, pictures, the end


def test_calls_out_of_order_are_refused() -> None:
    vector = WorkerVectorEnv(counter(), 2, seed=1)
    with pytest.raises(RuntimeError, match="reset"):
        vector.step_async(np.zeros((2, 1)))
    vector.reset()
    with pytest.raises(RuntimeError, match=r"step_wait\(\) without"):
        vector.step_wait()
    with pytest.raises(ValueError, match="shape"):
        vector.step_async(np.zeros((3, 1)))
    vector.step_async(np.zeros((2, 1)))
    for call in (vector.reset, vector.state_dict, lambda: vector.render(0, 8, 8), lambda: vector.step_async(np.zeros((2, 1)))):
        with pytest.raises(RuntimeError, match="between"):
            call()
    vector.step_wait()
    vector.close()
    with pytest.raises(RuntimeError, match="after close"):
        vector.step_async(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="at least 1"):
        WorkerVectorEnv(counter(), 0, seed=1)


@pytest.mark.parametrize("place", PLACES)
def test_pictures(place: str) -> None:
    with WorkerVectorEnv(counter(), 2, seed=1, placement=place) as vector:
        vector.reset()
        play(vector, 3)
        picture = vector.render(1, 20, 30)
        assert (picture.shape, picture.dtype, picture[0, 0, 0]) == ((20, 30, 3), np.uint8, 3)
    with WorkerVectorEnv(counter(misbehave="render"), 1, seed=1, placement=place) as vector:
        vector.reset()
        with pytest.raises(UnsupportedRender, match="hides"):
            vector.render(0, 20, 30)


def test_closing_twice_leaves_no_process() -> None:
    vector = WorkerVectorEnv(counter(), 3, seed=1, placement="process")
    pids = [port.process.pid for port in vector._ports]  # type: ignore[attr-defined]
    vector.reset()
    vector.step_async(np.zeros((3, 1)))  # closing in mid-step is allowed
    vector.close()
    vector.close()
    assert not any(lives(pid) for pid in pids)
    assert all(port.process.output == "" for port in vector._ports)  # type: ignore[attr-defined]


def test_closing_does_not_wait_for_a_hanging_environment_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unified.core.envs.workers.process.PATIENCE", 0.5)
    vector = WorkerVectorEnv(counter(misbehave="hang"), 1, seed=1, placement="process")
    pid = vector._ports[0].process.pid  # type: ignore[attr-defined]
    vector.reset()
    vector.step_async(np.zeros((1, 1)))
    vector.close()
    assert not lives(pid)


def test_workers_end_with_their_parent_and_import_no_torch() -> None:
    program = (
        "import os, signal, sys, torch\n"
        "from unified.core.envs.suite_ref import SuiteReference\n"
        "from unified.core.envs.vector_env import STARTS, WorkerVectorEnv\n"
        "vector = WorkerVectorEnv(SuiteReference('unified.testing.environments:Counter', 'counter'), 1, 1, placement='process')\n"
        "vector.reset()\n"
        "pid = vector._ports[0].process.pid\n"
        "maps = open(f'/proc/{pid}/maps').read()\n"
        "print(pid, any(name in maps for name in ('/torch/', 'triton')), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid, loaded = done.stdout.split()
    assert loaded == "False", done.stderr
    assert soon(lambda: not lives(int(pid)))


def test_a_worker_imports_nothing_heavy() -> None:
    program = (
        "import sys, unified.core.envs.workers.server, unified.core.envs\n"
        "assert not {'torch', 'torchvision', 'triton', 'gymnasium', 'dm_control', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_environments_that_take_long_to_build(tmp_path: Path) -> None:
    """The process says meanwhile that it is at work."""
    source = "import time\nfrom unified.testing.environments import Counter\nclass Slow(Counter):\n    def environment(self):\n"
    (tmp_path / "slow.py").write_text(f"{source}        time.sleep(1.1)\n        return super().environment()\n")
    with WorkerVectorEnv(SuiteReference(f"{tmp_path}/slow.py:Slow", "slow"), 1, seed=1, placement="process") as vector:
        assert vector.reset().shape == (1, *vector.spec.observation.shape)


def test_ctrl_c_does_not_reach_a_worker() -> None:
    with WorkerVectorEnv(counter(), 1, seed=1, placement="process") as vector:
        vector.reset()
        os.kill(vector._ports[0].process.pid, signal.SIGINT)  # type: ignore[attr-defined]
        play(vector, 3)
        assert vector.restarts == 0


class Extremes(Environment):
    """The greatest finite numbers; action 1 leads to what is not finite."""

    def __init__(self, dtype: str, other: float) -> None:
        self.spec = Spec(Space((2, 2), dtype), Space((), "int64", 0, 1, 2))
        self.greatest, self.other = np.full((2, 2), np.finfo(dtype).max, dtype), other

    def reset(self, seed: int, options: Any = None) -> np.ndarray:
        return self.greatest.copy()

    def step(self, action: np.ndarray) -> Step:
        observation = self.greatest.copy()
        if action == 1:
            observation[1, 0] = self.other
        return Step(observation, 0.0, terminated=False, truncated=False)


class ExtremeSuite(Suite):
    def environment(self) -> Environment:
        return Extremes(*self.options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
def test_an_observation_fails_where_a_number_is_not_finite_and_not_where_its_square_is_not(dtype: str, other: float) -> None:
    with WorkerVectorEnv(ExtremeSuite("", (dtype, other)), 2, 0, placement="inline") as vector:
        vector.reset()
        vector.step_async(np.array([0, 1]))
        steps = vector.step_wait()
    assert steps.failed.tolist() == [False, True]
    assert np.array_equal(steps.observation[0], np.full((2, 2), np.finfo(dtype).max, dtype))
