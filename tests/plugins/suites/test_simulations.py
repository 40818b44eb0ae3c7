"""MuJoCo tasks whose environments step in one batch: bit for bit what single environments compute."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest

from plugins.suites.vectors import actions_of, assert_same, play
from unified.core.base.rng import derive
from unified.core.envs.step_batch import StepBatch
from unified.core.envs.suite import Environment, EpisodeFailed, Suite
from unified.core.envs.vector_env import STARTS, WorkerVectorEnv, make_vector_env
from unified.plugins.suites.dmc import simulated as dmc
from unified.plugins.suites.dmc.config import DMCOptions
from unified.plugins.suites.dmc.suite import DMC
from unified.plugins.suites.gym import simulated as gym
from unified.plugins.suites.gym.spaces import action_of
from unified.plugins.suites.gym.suite import Gym
from unified.plugins.suites.simulations import SimulationVectorEnv

GYM = [spec.id for spec in gymnasium.registry.values() if spec.entry_point in gym.TASKS]
DMC_TASKS = list(dmc.TASKS)
#: One of each implementation.
ONE_EACH = [*GYM, *{kind: task for task, kind in dmc.TASKS.items()}.values()]
#: A few of each kind: states with and without further fields, contact forces, terminations, positions that are brought up to date.
SOME = ["HalfCheetah-v5", "Ant-v5", "Hopper-v5", "Reacher-v5", "InvertedDoublePendulum-v5", "cheetah_run", "hopper_hop", "pendulum_swingup"]


def suite(task: str, **options: Any) -> Suite:
    if "-v" in task:
        return Gym(task, SimpleNamespace(**({"action_repeat": 1, "pixels": False, "size": 84} | options)))
    return DMC(task, DMCOptions(**({"pixels": False} | options)))


def batch(task: str, num_envs: int = 2) -> Any:
    """As `Suite.vector` makes it, without its comparison."""
    made, kind = suite(task), dmc.TASKS[task] if "-v" not in task else gym.TASKS[str(gymnasium.spec(task).entry_point)]
    single = made.environment()
    single.close()
    return kind(made, single.spec, num_envs, 1, "environment")


def workers(task: str, num_envs: int = 2, **options: Any) -> WorkerVectorEnv:
    return WorkerVectorEnv(suite(task, **options), num_envs, 1, "environment", "inline")


def gymnasiums(task: str) -> tuple[Callable[[int], np.ndarray], Callable[[np.ndarray], tuple[np.ndarray, float, bool, bool]]]:
    """Reset and step of Gymnasium's own environment."""
    env: Any = gymnasium.make(task)
    _, enact = action_of(task, env.action_space)
    return lambda seed: env.reset(seed=seed)[0], lambda action: env.step(enact(action))[:4]


def dm_controls(task: str) -> tuple[Callable[[int], np.ndarray], Callable[[np.ndarray], tuple[np.ndarray, float, bool, bool]]]:
    """Reset and step of dm_control's own environment, two frames for an action."""
    from dm_control import suite as tasks

    env = tasks.load(*next(each for each in tasks.ALL_TASKS if "_".join(each) == task), task_kwargs={"random": 0})
    bounds = env.action_spec()

    def flat(step: Any) -> np.ndarray:
        return np.concatenate([np.ravel(value) for value in step.observation.values()])

    def reset(seed: int) -> np.ndarray:
        env.task._random = np.random.RandomState(seed)
        return flat(env.reset())

    def step(action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        action = np.clip(action, -1.0, 1.0).astype(np.float64)
        action = bounds.minimum + (action + 1.0) * (bounds.maximum - bounds.minimum) / 2.0
        frames = [env.step(action)]
        if not frames[0].last():
            frames.append(env.step(action))
        return flat(frames[-1]), sum(float(frame.reward) for frame in frames), False, frames[-1].last()

    return reset, step


def compare(task: str, steps: int) -> int:
    """Step a batch beside the environments of the library itself; returns the number of episodes that ended."""
    singles = [(gymnasiums if "-v" in task else dm_controls)(task) for _ in range(2)]
    with batch(task) as env:
        first = [reset(derive(1, "environment", i, 0, bits=31)) for i, (reset, _) in enumerate(singles)]
        np.testing.assert_array_equal(env.reset(), np.stack(first).astype(np.float32), strict=True)
        episode, earned, ends = [0, 0], [0.0, 0.0], 0
        for number in range(steps):
            actions = actions_of(env, number)
            env.step_async(actions)
            row = env.step_wait()
            for i, (reset, step) in enumerate(singles):
                observation, reward, terminated, truncated = step(actions[i])
                earned[i] += float(reward)
                np.testing.assert_array_equal(row.observation[i], observation.astype(np.float32), err_msg=f"step {number}")
                assert (row.reward[i], row.terminated[i], row.truncated[i]) == (np.float32(reward), terminated, truncated), number
                if terminated or truncated:
                    assert row.returns[i] == earned[i]
                    episode[i], earned[i], ends = episode[i] + 1, 0.0, ends + 1
                    following = reset(derive(1, "environment", i, episode[i], bits=31)).astype(np.float32)
                    np.testing.assert_array_equal(row.reset_observation[i], following, strict=True)
                    np.testing.assert_array_equal(env.observations[i], following, strict=True)
        assert not row.failed.any()
    return ends


def test_the_table_has_the_tasks_of_gymnasium() -> None:
    assert len(GYM) == len(gym.TASKS) == 11


@pytest.mark.parametrize("task", ONE_EACH)
def test_steps_are_those_of_the_library(task: str) -> None:
    compare(task, 40)


@pytest.mark.slow
@pytest.mark.parametrize("task", [*GYM, *DMC_TASKS])
def test_episodes_are_those_of_the_library(task: str) -> None:
    """Over whole episodes with their resets: two or more of each environment."""
    assert compare(task, 1030 if task in ("HalfCheetah-v5", "Swimmer-v5") or "-v" not in task else 530) >= 2 or task == "HumanoidStandup-v5"


@pytest.mark.parametrize("task", ["Reacher-v5", "Hopper-v5"])
def test_ends_and_resets(task: str) -> None:
    """Time limits of 50 steps, and terminations."""
    assert compare(task, 110) >= 4


@pytest.mark.parametrize("task", SOME)
def test_a_checkpoint_is_a_state_and_goes_over_to_single_environments_and_back(task: str) -> None:
    with batch(task) as whole, batch(task) as other, workers(task) as singles, batch(task) as back:
        whole.reset()
        other.reset()
        play(whole, range(37))
        play(other, range(3))
        saved = whole.state_dict()
        for lane in saved["lanes"]:
            assert len(lane["actions"]) == 0
            assert lane["state"]["state"].shape == (whole.layout.size,)
        other.load_state_dict(saved)
        singles.load_state_dict(saved)
        assert other.exact
        assert singles.exact
        rest = play(whole, range(37, 60))
        assert_same(play(other, range(37, 60)), rest)
        assert_same(play(singles, range(37, 60)), rest)
        back.load_state_dict(singles.state_dict())
        assert back.exact
        assert_same(play(back, range(60, 80)), play(whole, range(60, 80)))


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Ant-v5", "walker_walk"])
def test_the_number_of_threads_changes_no_bit(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, threads = [], []
    for cores in (1, 3):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        with batch(task, 5) as env:
            env.reset()
            rows.append(play(env, range(40)))
            threads.append(env.batch.nthread)
    assert threads == [1, 3]
    assert_same(*rows)


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Ant-v5", "cheetah_run"])
def test_a_number_that_is_not_finite_fails_the_episode_as_in_workers(task: str) -> None:
    with batch(task) as one, workers(task) as other:
        rows: list[list[StepBatch]] = [[], []]
        for env, kept in zip((one, other), rows, strict=True):
            env.reset()
            kept.extend(play(env, range(5)))
            actions = actions_of(env, 5)
            actions[1] = np.nan
            env.step_async(actions)
            kept.append(env.step_wait())
            kept.extend(play(env, range(6, 12)))
        assert rows[0][5].failed.tolist() == [False, True]
        assert_same(*rows)
        assert one.failed_episodes == other.failed_episodes == 1


def test_a_diverged_simulation_fails_its_episode_alone() -> None:
    with batch("cheetah_run") as env, batch("cheetah_run") as undisturbed:
        for each in (env, undisturbed):
            each.reset()
        env.now["qvel"][0] = 1e12  # MuJoCo resets it with a warning, and dm_control raises PhysicsError
        row, other = play(env, range(1))[0], play(undisturbed, range(1))[0]
        assert row.failed.tolist() == [True, False]
        np.testing.assert_array_equal(row.observation[1], other.observation[1])
        assert not play(env, range(1, 3))[1].failed.any()


def test_an_episode_that_cannot_start_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    with batch("HalfCheetah-v5") as env:
        refused, reset = derive(1, "environment", 1, 0, bits=31), env._resets.reset

        def sometimes(seed: int) -> Any:
            if seed == refused:
                raise EpisodeFailed("PhysicsError")
            return reset(seed)

        monkeypatch.setattr(env._resets, "reset", sometimes)
        observations = env.reset()
        assert env.state_dict()["lanes"][1]["episode"] == env.failed_episodes == 1
        single: Environment = suite("HalfCheetah-v5").environment()
        np.testing.assert_array_equal(observations[1], single.reset(derive(1, "environment", 1, 1, bits=31)))
        single.close()


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "cheetah_run"])
def test_episodes_that_never_start_are_failed_rows(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with batch(task) as env, batch(task) as undisturbed:
        reset, calls = env._resets.reset, []
        second = {derive(1, "environment", 1, episode, bits=31) for episode in range(3 * STARTS)}

        def never(seed: int) -> Any:
            calls.append(seed)
            if seed in second:
                raise EpisodeFailed("PhysicsError")
            return reset(seed)

        monkeypatch.setattr(env._resets, "reset", never)
        assert np.isfinite(env.reset()).all()
        undisturbed.reset()
        rows, others = play(env, range(2)), play(undisturbed, range(2))
        assert [row.failed.tolist() for row in rows] == [[False, True]] * 2
        assert all(np.isfinite(row.observation).all() and np.isfinite(row.reset_observation).all() for row in rows)
        for row, other in zip(rows, others, strict=True):
            np.testing.assert_array_equal(row.observation[0], other.observation[0])
        assert env.failed_episodes == 3 * STARTS
        assert len(set(calls)) == 3 * STARTS + 1  # another episode each time
        assert "could not start: PhysicsError" in env.env_failures[-1]
        state = env.state_dict()
        row, started = play(env, range(2, 4))  # episode 3 * STARTS starts
        assert (row.failed.tolist(), started.failed.tolist()) == ([False, True], [False, False])
    assert state["lanes"][1]["state"] is None
    with batch(task) as env:
        env.load_state_dict(state)
        assert env.rebuilt.tolist() == [True, False]
        assert not play(env, range(1))[0].failed.any()


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("HalfCheetah-v5", {"action_repeat": 2}),
        ("HalfCheetah-v5", {"pixels": True}),
        ("HalfCheetah-v4", {}),
        ("cheetah_run", {"pixels": True}),
        ("cheetah_run", {"action_repeat": 3}),  # 1,000 frames are no multiple of it
        ("reacher_easy", {}),  # its model changes at a reset
    ],
)
def test_other_tasks_have_no_batch(task: str, options: dict[str, Any]) -> None:
    assert suite(task, **options).vector(2, 1, "environment") is None


@pytest.mark.parametrize("module", ["gym.simulated", "dmc.simulated"])
def test_other_bits_are_not_used(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = "HalfCheetah-v5" if module.startswith("gym") else "cheetah_run"
    kind = {"gym": gym.HalfCheetah, "dmc": dmc.Cheetah}[module.split(".")[0]]
    seen = kind.seen
    monkeypatch.setattr(kind, "seen", lambda self, fields: seen(self, fields) * (1 + 1e-6))
    assert suite(task).vector(2, 1, "environment") is None


@pytest.mark.parametrize(("backend", "expected"), [("auto", SimulationVectorEnv), ("inline", WorkerVectorEnv)])
@pytest.mark.parametrize("num_envs", [1, 2])
def test_environments_are_a_batch_unless_a_placement_is_requested(num_envs: int, backend: Any, expected: type) -> None:
    env: Any = make_vector_env(suite("HalfCheetah-v5"), num_envs, 1, env_backend=backend)
    env.close()
    assert isinstance(env, expected)


@pytest.mark.slow
def test_the_process_of_a_batch_has_no_opengl_and_pictures_come_from_another() -> None:
    program = """
import sys
from types import SimpleNamespace
import numpy as np
from unified.core.envs.suite import UnsupportedRender
from unified.plugins.suites.dmc.suite import DMC
from unified.plugins.suites.gym.suite import Gym
for suite in (
    Gym("InvertedPendulum-v5", SimpleNamespace(action_repeat=1, pixels=False, size=84)),
    DMC("pendulum_swingup", SimpleNamespace(pixels=False, size=84, action_repeat=2, render="auto", gl="auto", camera=None)),
):
    env = suite.vector(2, 1, "environment")
    env.reset()
    for _ in range(5):
        env.step_async(np.full((2, 1), 0.5, np.float32))
        env.step_wait()
    before = env.state_dict()
    try:
        picture = env.render(1, 48, 64)
        assert picture.shape == (48, 64, 3) and picture.dtype == np.uint8 and picture.std() > 5, picture.std()
    except UnsupportedRender as error:
        print(f"no picture: {error}")
    after = env.state_dict()
    assert all(np.array_equal(a["state"]["state"], b["state"]["state"]) for a, b in zip(before["lanes"], after["lanes"]))
    env.close()
loaded = [name for name in sys.modules if name.startswith("OpenGL") or name in ("mujoco.osmesa", "mujoco.egl")]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_lists_the_tasks() -> None:
    page = (Path(__file__).parents[3] / "docs/environments.md").read_text()
    missing = [task for task in [*GYM, *DMC_TASKS] if task not in page]
    assert not missing
