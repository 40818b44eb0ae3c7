"""Runs whose goals are chosen: resumed exactly, evaluated by the goals of the task, refused where it cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unified
from runs.commands import events, killed_and_the_same, newest
from unified import Environment, Options, Step, Suite, UnifiedError, UsageError, hookimpl
from unified.core.base.rng import derive
from unified.core.config.compose import compose
from unified.core.envs.chosen_goals import ChosenGoals
from unified.core.trainer import build
from unified.plugins.suites.goals.suite import PointReach
from unified.testing.workshop import differences

QUIET: dict[str, Any] = {"callbacks": [], "device": "cpu", "train.env_backend": "inline", "precision": "fp32"}
SMALL = {"agent.batch_size": 16, "agent.critic.hidden_dim": 16, "agent.learning_starts": 20}
ACTOR = {**SMALL, "agent.actor.hidden_dim": 16}
PAGE = Path(__file__).parents[2] / "docs" / "choosing-goals.md"
COMMANDS = re.findall(r"^\$ unified train (.*)$", PAGE.read_text(), re.M)
POINT, BITS = "goals:point_reach", "goals:bit_flip"


def trained(root: Path, **values: Any) -> unified.Run:
    return unified.train(config={**QUIET, "root": str(root), "evaluate.episodes": 1, "evaluate.every": 0, **values})


def groups(run: unified.Run) -> dict[str, Any]:
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.manifest["exact"]
    return {group: checkpoint.load(group) for group in ("parameters", "optimizer", "replay", "collector", "callbacks")}


def test_killed_in_mid_episode_of_three_environments_it_goes_on_with_the_same_goals(tmp_path: Path) -> None:
    small = [f"{key}={value}" for key, value in ACTOR.items()]
    words = ["train", "--agent", "td3", "--suite", POINT, "callbacks=[goals]", "callbacks.goals.candidates=20", "train.num_envs=3", *small]
    words += ["train.frames=270", "checkpoint.every=100", "replay.sampler=hindsight", "evaluate.episodes=1", "evaluate.every=0"]
    killed = killed_and_the_same([*words, "train.log_every=60", "device=cpu"], tmp_path)
    assert events(killed, "restored")[-1]["exact"]
    state = json.loads((newest(killed) / "collector.json").read_text())
    assert "pursued" in json.dumps(state)


@pytest.mark.parametrize(
    ("agent", "options"),
    [
        ("dqn", {"chooser": "omega", "suite": BITS, "suite.n": 4, **SMALL}),
        ("ddpg", {"chooser": "goal_disc", "density": "rnd", "suite": POINT, **ACTOR}),
        ("sac", {"chooser": "diverse", "density": "flow", "suite": POINT, **ACTOR}),
    ],
)
def test_a_longer_budget_goes_on_with_the_same_goals(agent: str, options: dict[str, Any], tmp_path: Path) -> None:
    chosen = {f"callbacks.goals.{name}": options.pop(name) for name in ("chooser", "density") if name in options}
    values = {"agent": agent, "callbacks": ["goals"], "callbacks.goals.candidates": 20, "train.num_envs": 2, **options, **chosen}
    straight = trained(tmp_path / "straight", **values, **{"train.frames": 200})
    trained(tmp_path / "twice", **values, **{"train.frames": 114})
    twice = trained(tmp_path / "twice", **values, **{"train.frames": 200})
    assert not differences(groups(straight), groups(twice))
    assert groups(twice)["callbacks"]["callback goals"]["fitted_at"] > 0


class Centre:
    """Every episode of training pursues the place in the middle."""

    critical = True

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at, self.calls = fails_at, 0
        self.rows: list[Any] = []

    @hookimpl
    def choose_goals(self, env_ids: np.ndarray, observation: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == self.fails_at:
            raise ValueError("no goals today")
        return np.zeros_like(observation["desired_goal"])

    @hookimpl
    def on_experience(self, steps: Any) -> None:
        self.rows.append((steps.observation["desired_goal"].copy(), steps.extra["actual_goal"].copy()))


class Dense(Suite):
    """`PointReach` with minus the distance as reward, so that every goal has another return."""

    Options = Options
    placement = "inline"

    def environment(self) -> Environment:
        return DensePoint()

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return -np.linalg.norm(achieved - desired, axis=-1).astype(np.float32)


class DensePoint(PointReach):
    def step(self, action: np.ndarray) -> Step:
        step = super().step(action)
        seen: Any = step.observation
        return step._replace(reward=-float(np.linalg.norm(seen["achieved_goal"] - seen["desired_goal"])))


def evaluated_with_chosen_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong: the environments of evaluations pursue the goals of training."""
    made = build.make_environments

    def make(config: Any, stream: str, count: int, run: Any = None) -> Any:
        environments = made(config, stream, count, run)
        if stream != "evaluation":
            return environments
        return ChosenGoals(environments, build.built_suite(config), lambda ids, seen: np.zeros_like(seen["desired_goal"]))

    monkeypatch.setattr(build, "make_environments", make)


@pytest.mark.parametrize("wrong", [None, evaluated_with_chosen_goals])
def test_training_pursues_the_chosen_goals_and_an_evaluation_those_of_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any
) -> None:
    """Goals: an evaluation with chosen goals. The reported returns are those of a loop by hand, on the goals that the task draws."""
    if wrong is not None:
        wrong(monkeypatch)
    callback = Centre()
    values = {**ACTOR, "agent": "sac", "suite": Dense, "train.frames": 60, "evaluate.episodes": 4}
    run = trained(tmp_path, **values, **{"callbacks": [callback], "evaluate.num_envs": 1})
    assert all((desired == 0).all() and (actual != 0).all() for desired, actual in callback.rows)
    policy = unified.load(run, 60)
    environment = DensePoint()
    returns, goals = [], []
    for episode in range(4):
        seen: Any = environment.reset(derive(run.config.seed, "evaluation 60", 0, episode, bits=31))
        goals.append(seen["desired_goal"].copy())
        over, total = False, 0.0
        while not over:
            step = environment.step(policy.act(seen))
            seen, over, total = step.observation, step.terminated or step.truncated, total + step.reward
        returns.append(total)
    assert all(goal.any() for goal in goals)
    (row,) = [row for row in run.metrics() if row["kind"] == "evaluate"]
    assert (row["return"] == pytest.approx(np.mean(returns))) == (wrong is None)


def test_a_choice_that_fails_ends_the_run_after_a_whole_step_and_it_goes_on_from_there(tmp_path: Path) -> None:
    values = {**ACTOR, "agent": "sac", "suite": POINT, "train.frames": 120, "train.num_envs": 2, "callbacks": [Centre(fails_at=3)]}
    with pytest.raises(UnifiedError, match="no goals today"):
        trained(tmp_path, **values)
    (path,) = {config.parent for config in tmp_path.rglob("config.json")}
    run = unified.Run.find(path.name, tmp_path)
    checkpoint = run.checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.frames == 100  # both episodes of 25 steps ended for the second time
    assert sum(checkpoint.manifest["replay"]["head"]) == 2 * (2 * 26 + 1)


@pytest.mark.parametrize(("goals", "message"), [(np.zeros(2), r"have the shape \(2,\)"), (np.full((1, 2), np.nan), "finite goals")])
def test_goals_that_are_none_end_the_run_with_the_name_of_the_callback(goals: np.ndarray, message: str, tmp_path: Path) -> None:
    class Wrong:
        critical = True

        @hookimpl
        def choose_goals(self) -> np.ndarray:
            return goals

    with pytest.raises(UnifiedError, match=f"choose_goals: .*it must return .*{message}"):
        trained(tmp_path, **{**ACTOR, "agent": "sac", "suite": POINT, "train.frames": 10, "callbacks": [Wrong()]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"agent": "sac", "suite": "gym:Pendulum-v1"}, "observations named achieved_goal and desired_goal; the task has one"),
        ({"agent": "ppo", "suite": POINT}, "learns from transitions of a replay"),
        ({"agent": "sac", "suite": POINT, "launcher": "async"}, "in lock-step with learning"),
        ({"agent": "ac2", "suite": [POINT, BITS]}, "environments of one task"),
        ({"agent": "sac", "suite": POINT, "callbacks.goals.chooser": "omega", "callbacks.goals.density": "rnd"}, "density=kde or flow"),
        ({"agent": "sac", "suite": POINT, "callbacks.goals.chooser": "megaa"}, "mega"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        trained(tmp_path, **{"callbacks": ["goals"], "train.frames": 50, **values})


@pytest.mark.parametrize("typed", COMMANDS)
def test_the_commands_of_the_page_compose(typed: str) -> None:
    config = compose(re.sub(r"--(agent|suite) ", r"\1=", typed).split())
    chosen = [callback.label for callback in config.callbacks]
    assert "goals" in chosen or config.replay.sampler.label == "energy" or config.agent.label == "hiro"
    assert config.replay.sampler.label == "hindsight" or "goals" not in chosen
