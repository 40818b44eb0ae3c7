from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import unified
from unified.core.base.errors import UsageError
from unified.core.config.compose import compose
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.robotics import suite as module
from unified.plugins.suites.robotics.config import RoboticsOptions
from unified.plugins.suites.robotics.suite import Robotics, check
from unified.plugins.suites.robotics.tasks import TASKS

#: One task of each family, with what its last step says.
FAMILIES = {
    "FetchReach-v4": ((-1.0, 0.0), 50),
    "FetchPushDense-v4": ((-np.inf, 0.0), 50),
    "HandReach-v3": ((-1.0, 0.0), 50),
    "HandManipulateBlock-v1": ((-1.0, 0.0), 100),
    "PointMaze_UMaze-v3": ((0.0, 1.0), 300),
    "AntMaze_UMaze-v5": ((0.0, 1.0), 700),
    "AdroitHandDoor-v1": ((-np.inf, np.inf), 200),
    "FrankaKitchen-v1": ((-np.inf, np.inf), 280),
}


def robotics(task: str, **options: Any) -> Robotics:
    return Robotics(task, RoboticsOptions(**options))


@pytest.fixture
def installed() -> Any:
    return pytest.importorskip("gymnasium_robotics", reason="pip install 'unified-ml[robotics]'")


# Without the package


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    config = compose(["agent=sac", "suite=robotics:FetchReach-v4"])
    with pytest.raises(UsageError) as refused:
        config.suite.component.refuse_missing(config.suite.task, config.suite.options)
    (problem,) = refused.value.problems
    assert "suite robotics needs the package gymnasium-robotics" in str(problem)
    assert "pip install 'unified-ml[robotics]'" in str(problem)


def test_a_run_of_a_task_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The id fits the suite gym too, which does not have it either."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=re.escape("pip install 'unified-ml[robotics]'")):
        unified.train(agent="sac", suite="robotics:FetchReach-v4", config={"root": str(tmp_path), "callbacks": []})


def test_the_rules_of_mazes_are_for_mazes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace())
    check("PointMaze_UMaze-v3", RoboticsOptions(continuing=False))
    with pytest.raises(UsageError, match=re.escape("suite.continuing is for mazes, and FetchReach-v4 is none")):
        check("FetchReach-v4", RoboticsOptions(continuing=False))


@pytest.mark.parametrize("word", ["FetchReach-v4", "gymnasium_robotics:FetchReach-v4"])
def test_an_id_of_the_package_is_answered(word: str) -> None:
    with pytest.raises(UsageError, match="robotics:FetchReach-v4"):
        compose(["agent=sac", f"suite={word}"])


# With it


def test_tasks_are_those_that_are_registered(installed: Any) -> None:
    import gymnasium

    from unified.plugins.suites.robotics.environment import import_robotics

    import_robotics()
    own = {
        name
        for name, spec in gymnasium.registry.items()
        if re.match(r"(Fetch|Hand|PointMaze|AntMaze|Adroit|Franka)", name) and "MujocoPy" not in str(spec.entry_point)
    }
    newest = {name for name in own if not re.match(r"AntMaze.*-v[34]$", name)}
    assert set(TASKS) == {name for name in newest if not str(gymnasium.registry[name].entry_point).count(":MujocoPy")}


@pytest.mark.parametrize("task", FAMILIES)
def test_a_task_of_each_family_begins_and_steps(installed: Any, task: str) -> None:
    """MuJoCo 3.17: Fetch, hands and the kitchen fail in `set_joint_qpos` with an AssertionError."""
    environment = robotics(task).environment()
    try:
        spec = environment.spec
        assert (spec.reward_range, spec.episode_frames) == FAMILIES[task]
        rows = []
        for _ in range(2):
            first = environment.reset(7)
            steps = [environment.step(np.full(spec.action.shape, 0.3, np.float32)) for _ in range(5)]
            rows.append([first, *(step.observation for step in steps)])
            assert all(isinstance(step.extra["success"], bool) for step in steps)
            assert all(spec.reward_range[0] <= step.reward <= spec.reward_range[1] for step in steps)
        for one, other in zip(*rows, strict=True):  # an episode is a function of its seed and actions
            for name in one if isinstance(one, dict) else [slice(None)]:
                assert np.array_equal(one[name], other[name])
    finally:
        environment.close()


@pytest.mark.parametrize("task", ["FetchReach-v4", "FetchReachDense-v4", "HandReach-v3", "PointMaze_UMaze-v3", "PointMaze_UMazeDense-v3"])
def test_rewards_computed_here_are_those_of_the_environment(installed: Any, task: str) -> None:
    suite = robotics(task)
    environment = suite.environment()
    try:
        environment.reset(3)
        for number in range(20):
            step: Any = environment.step(np.full(environment.spec.action.shape, np.sin(number), np.float32))
            seen = step.observation
            found = suite.compute_reward(seen["achieved_goal"][None], seen["desired_goal"][None])
            assert found == pytest.approx([step.reward], abs=1e-5)
    finally:
        environment.close()


def at_the_goal(task: str, **options: Any) -> tuple[Any, Any, Any]:
    """A maze one step before its goal: the environment, the goal, and the next two steps."""
    environment: Any = robotics(task, **options).environment()
    environment.reset(5)
    env = environment.unwrapped
    goal = env.goal.copy()
    env.point_env.set_state(goal.copy(), np.zeros(2))
    return environment, goal, [environment.step(np.zeros(2, np.float32)) for _ in range(2)]


def test_a_maze_goes_on_at_the_goal_with_a_reward_in_each_step(installed: Any) -> None:
    environment, _, steps = at_the_goal("PointMaze_UMaze-v3")
    assert [(step.reward, step.terminated, step.extra["success"]) for step in steps] == [(1.0, False, True)] * 2
    environment.close()


def test_a_maze_that_does_not_go_on_terminates_for_rows_too(installed: Any) -> None:
    """Point mazes: `compute_terminated` takes the norm of the whole array."""
    environment, goal, steps = at_the_goal("PointMaze_UMaze-v3", continuing=False)
    assert (steps[0].reward, steps[0].terminated) == (1.0, True)
    environment.close()
    suite = robotics("PointMaze_UMaze-v3", continuing=False)
    achieved = np.stack([goal, goal + 3, goal + 0.1]).astype(np.float32)
    assert suite.compute_terminated(achieved, np.stack([goal] * 3).astype(np.float32)).tolist() == [True, False, True]


def test_the_goal_that_is_shown_is_the_one_of_the_next_reward(installed: Any) -> None:
    """Mazes with reset_target: the step at which the goal moves shows the old one, and the next reward is for another (its issue 258)."""
    environment, goal, (step, after) = at_the_goal("PointMaze_Open-v3", reset_target=True)
    assert step.reward == 1.0
    shown = step.observation["desired_goal"]
    assert np.linalg.norm(shown - goal) > 0.1
    distance = np.linalg.norm(after.observation["achieved_goal"] - shown)
    assert after.reward == float(distance <= 0.45) == 0.0
    environment.close()


def test_processes_give_the_bits_of_this_one(installed: Any) -> None:
    reference = SuiteReference(
        "unified.plugins.suites.robotics.suite:Robotics",
        "FetchReach-v4",
        RoboticsOptions().model_dump(mode="json"),
        "unified.plugins.suites.robotics.config:RoboticsOptions",
    )
    rows = []
    for place in ("inline", "process"):
        with WorkerVectorEnv(reference, 1, seed=4, placement=place) as vector:
            found = [vector.reset().tobytes()]
            for number in range(5):
                vector.step_async(np.full((1, 4), 0.1 * number, np.float32))
                found.append(vector.step_wait().observation.tobytes())
            rows.append(found)
    assert rows[0] == rows[1]


def test_hindsight_learns_from_a_robot(installed: Any, tmp_path: Path) -> None:
    small = {"agent.batch_size": 16, "agent.learning_starts": 60, "train.frames": 160, "evaluate.episodes": 1, "evaluate.every": 0}
    quiet = {"callbacks": [], "device": "cpu", "root": str(tmp_path), "train.log_every": 50}
    run = unified.train(agent="ddpg", suite="robotics:FetchReach-v4", config={**small, **quiet, "replay.sampler": "hindsight"})
    rows = run.metrics()
    assert all("success" in row for row in rows if row["kind"] == "evaluate")
    assert any("success" in row for row in rows if row["kind"] == "train")
