"""dm_control's suite: pictures, vectors, seeds, ends, and no trace of GL where it must not be."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unified.core.base.errors import UsageError
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Environment, EpisodeFailed
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites import opengl
from unified.plugins.suites.dmc.rendering import without_gl
from unified.plugins.suites.dmc.suite import DMC
from unified.plugins.suites.dmc.tasks import BENCHMARKING


def options(**given: Any) -> dict[str, Any]:
    return {"pixels": True, "size": 84, "action_repeat": 2, "render": "auto", "gl": "auto", "camera": None} | given


def reference(task: str, **given: Any) -> SuiteReference:
    return SuiteReference("unified.plugins.suites.dmc.suite:DMC", task, options(**given))


def state(task: str, **given: Any) -> Environment:
    return DMC(task, SimpleNamespace(**options(pixels=False, **given))).environment()


def drive(vector: WorkerVectorEnv, steps: int, seed: int = 0) -> list[StepBatch]:
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(steps):
        vector.step_async(generator.uniform(-1, 1, (vector.num_envs, *vector.spec.action.shape)))
        rows.append(vector.step_wait())
    return rows


@pytest.mark.parametrize(
    "task", ["cartpole_swingup", "ball_in_cup_catch", "humanoid_CMU_run", "quadruped_fetch", "dog_walk", "lqr_lqr_2_1"]
)
def test_tasks_from_the_state(task: str) -> None:
    environment = state(task)
    space, action = environment.spec.observation, environment.spec.action
    first = environment.reset(3)
    assert (first.shape, first.dtype) == (space.shape, np.float32)
    played = np.random.default_rng(0).uniform(-1, 1, (4, *action.shape)).astype(np.float32)
    rows = [environment.step(each) for each in played]
    assert all(environment.spec.reward_range[0] <= row.reward <= environment.spec.reward_range[1] for row in rows)
    environment.reset(4)
    np.testing.assert_array_equal(environment.fast_forward(3, played), rows[-1].observation)
    environment.close()
    environment.close()


def test_the_state_is_all_that_is_observed() -> None:
    environment = state("walker_walk")
    from dm_control import suite

    plain = suite.load("walker", "walk", task_kwargs={"random": 7})
    expected = np.concatenate([np.ravel(entry) for entry in plain.reset().observation.values()]).astype(np.float32)
    np.testing.assert_array_equal(environment.reset(7), expected)


def test_rewards_are_summed_over_repeats_and_the_time_limit_truncates() -> None:
    single, repeated = state("pendulum_swingup", action_repeat=1), state("pendulum_swingup", action_repeat=3)
    single.reset(1), repeated.reset(1)
    action = np.ones(1, np.float32)
    rewards = [single.step(action).reward for _ in range(1000)]
    rows = [repeated.step(action) for _ in range(334)]  # the last one holds a single frame
    assert [row.truncated for row in rows] == [False] * 333 + [True]
    assert not any(row.terminated for row in rows)
    assert (repeated.spec.action_repeat, repeated.spec.episode_frames) == (3, 1000)
    np.testing.assert_allclose([row.reward for row in rows], [sum(rewards[k : k + 3]) for k in range(0, 1000, 3)])


def test_a_task_that_ends_in_a_state_terminates() -> None:
    environment = state("lqr_lqr_2_1")
    environment.reset(1)
    environment._env.task.get_termination = lambda physics: 0.0  # type: ignore[attr-defined]
    row = environment.step(np.zeros(1, np.float32))
    assert (row.terminated, row.truncated) == (True, False)


def test_actions_are_rescaled_to_the_actuators() -> None:
    environment: Any = state("quadruped_walk")
    environment.reset(1)
    seen = []
    original = environment._env.task.before_step
    environment._env.task.before_step = lambda action, physics: (seen.append(np.array(action)), original(action, physics))
    bounds = environment._env.action_spec()
    for edge, expected in ((-1.0, bounds.minimum), (1.0, bounds.maximum), (5.0, bounds.maximum)):
        environment.step(np.full(12, edge, np.float32))
        np.testing.assert_allclose(seen[-1], expected)


def test_a_diverged_simulation_fails_the_episode() -> None:
    environment: Any = state("hopper_hop")
    environment.reset(1)
    environment._env.physics.data.qvel[:] = np.nan
    with pytest.raises(EpisodeFailed, match="PhysicsError"):
        environment.step(np.zeros(4, np.float32))
    assert np.isfinite(environment.reset(2)).all()


@pytest.mark.parametrize(("given", "says"), [("humanoid_rum", "humanoid_run"), ("zzz", "plugins show dmc")])
def test_an_unknown_task_is_a_usage_error_also_from_a_worker(given: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        WorkerVectorEnv(reference(given, pixels=False), 1, seed=1, placement="process")


def test_a_camera_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"suite\.camera=9"):
        state("cartpole_balance", camera=9)


# Pixels


def test_pixels_are_the_same_in_every_process_and_after_other_episodes() -> None:
    with WorkerVectorEnv(reference("cartpole_swingup"), 2, seed=1) as vector:
        assert vector.placement == "process"
        first = vector.reset("a").copy()
        assert (first.shape, first.dtype) == ((2, 3, 84, 84), np.uint8)
        assert first.std() > 10
        rows = drive(vector, 5)
        saved = vector.state_dict()
        expected = drive(vector, 3, seed=1)
        np.testing.assert_array_equal(vector.reset("a"), first)
        again = drive(vector, 5)
        np.testing.assert_array_equal(again[-1].observation, rows[-1].observation)
        assert vector.render(0, 240, 320).shape == (240, 320, 3)
    with WorkerVectorEnv(reference("cartpole_swingup"), 2, seed=1) as other:
        other.load_state_dict(saved)
        assert other.exact
        for one, two in zip(drive(other, 3, seed=1), expected, strict=True):
            np.testing.assert_array_equal(one.observation, two.observation)
            np.testing.assert_array_equal(one.reward, two.reward)
        processes = other._processes
    assert {process.output for process in processes} == {""}  # no GL traceback on the way out


def test_exact_pixels_are_those_of_physics_render() -> None:
    program = """
import numpy as np
from types import SimpleNamespace
from unified.plugins.suites.dmc.suite import DMC
given = SimpleNamespace(pixels=True, size=84, action_repeat=1, render="exact", gl="auto", camera=None)
environment = DMC("walker_walk", given).environment()
seen = environment.reset(5)
plain = environment._env.physics.render(84, 84, camera_id=0).transpose(2, 0, 1)
assert np.array_equal(seen, plain)
given.render = "fast"
fast = DMC("walker_walk", given).environment()
other = fast.reset(5)
assert not np.array_equal(other, plain) and abs(other.mean() - plain.mean()) < 20
environment.close(), fast.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_quadruped_is_seen_by_its_third_camera() -> None:
    assert state("quadruped_walk")._camera_id == 2  # type: ignore[attr-defined]
    assert state("walker_walk")._camera_id == 0  # type: ignore[attr-defined]
    assert state("walker_walk", camera=1)._camera_id == 1  # type: ignore[attr-defined]


def test_the_state_loads_no_gl_and_pictures_can_be_had_all_the_same() -> None:
    program = """
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
given = dict(pixels=False, size=84, action_repeat=2, render="auto", gl="auto", camera=None)
vector = WorkerVectorEnv(SuiteReference("unified.plugins.suites.dmc.suite:DMC", "cartpole_balance", given), 1, 1, placement="inline")
vector.reset()
loaded = open("/proc/self/maps").read()
assert "OSMesa" not in loaded and "LLVM" not in loaded
import torch
before = vector.observations.copy()
assert vector.render(0, 120, 160).std() > 5
import triton
vector.close()
"""
    # An earlier test may have rendered in this process, and renderers leave their choice in the environment.
    environment = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_terrain_is_drawn_at_reset_even_where_the_state_is_observed() -> None:
    with WorkerVectorEnv(reference("quadruped_escape", pixels=False), 1, seed=1) as vector:
        assert vector.placement == "process"
        assert np.isfinite(vector.reset()).all()


def test_the_note_says_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opengl, "this_machine", lambda: opengl.Machine(frozenset({"OSMesa"})))
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    (note,) = reference("cartpole_balance").build().notes()
    assert note == "render OSMesa, fast: no shadows (no GPU found; suite.render=exact for the reference's pixels)"
    assert reference("cartpole_balance", pixels=False).build().notes() == []


@pytest.mark.slow
@pytest.mark.parametrize("task", BENCHMARKING)
def test_every_benchmark_task_from_pixels(task: str) -> None:
    with WorkerVectorEnv(reference(task), 1, seed=1) as vector:
        first = vector.reset("a").copy()
        rows = drive(vector, 10)
        assert first.shape == (1, 3, 84, 84)
        assert first.std() > 1
        vector.reset("b")
        drive(vector, 3, seed=2)
        np.testing.assert_array_equal(vector.reset("a"), first)
        np.testing.assert_array_equal(drive(vector, 10)[-1].observation, rows[-1].observation)
        saved = vector.state_dict()
        vector.load_state_dict(saved)
        assert vector.exact


@pytest.mark.slow
def test_every_task_of_the_suite_can_be_made_from_the_state() -> None:
    without_gl()  # before dm_control looks for one
    from dm_control import suite

    for domain, name in suite.ALL_TASKS:
        if (domain, name) != ("quadruped", "escape"):
            environment = state(f"{domain}_{name}")
            assert np.isfinite(environment.reset(1)).all()
            environment.step(np.zeros(environment.spec.action.shape, np.float32))
            environment.close()
