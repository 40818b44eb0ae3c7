"""Environments with chosen goals against a loop by hand: one environment at a time, goals as its episodes begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams, derive
from unified.core.base.spec import Space, Spec
from unified.core.envs.chosen_goals import ChosenGoals, with_actual_goal
from unified.core.envs.suite import Environment, EpisodeFailed, Step, Suite
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

SEED, ENVIRONMENTS = 3, 3


class Line(Suite):
    """A place on a line, moved by ±1; the goal is a place. It ends at its goal, off the line, and after some steps; some episodes fail.

    The task is the number of steps: ``"6"``, or ``"6 fails"``.
    """

    placement = "inline"

    def __init__(self, task: str = "6", options: Any = None) -> None:
        super().__init__(task, options)
        self.limit, self.fails = int(task.split()[0]), "fails" in task

    def environment(self) -> Environment:
        return Walker(self)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return self.compute_terminated(achieved, desired).astype(np.float32) - 1

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved == desired)[..., 0]


class Walker(Environment):
    def __init__(self, suite: Line) -> None:
        self.suite, place = suite, Space((1,), "float32", -4, 4)
        self.spec = Spec(
            {"achieved_goal": place, "desired_goal": place}, Space((), "int64", 0, 1, 2), columns={"success": Space((), "bool")}
        )

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        drawn = np.random.default_rng(seed)
        self.place, self.goal, self.steps = 0, int(drawn.choice([-2, 2])), 0
        self.failure = int(drawn.integers(0, 4)) if self.suite.fails and drawn.random() < 0.5 else -1
        return self.seen()

    def step(self, action: np.ndarray) -> Step:
        self.place += 2 * int(action) - 1
        self.steps += 1
        at_goal = self.place == self.goal
        over = at_goal or abs(self.place) == 4
        return Step(self.seen(), float(at_goal) - 1, over, not over and self.steps == self.suite.limit, extra={"success": at_goal})

    def seen(self) -> Mapping[str, np.ndarray]:
        if self.steps == self.failure:
            raise EpisodeFailed("as its seed says")
        return {"achieved_goal": np.array([self.place], np.float32), "desired_goal": np.array([self.goal], np.float32)}


def goal_of(env_id: int, episode: int, own: float) -> float:
    """What this test chooses: some keep their own, others pursue a place near by, or one that is never reached."""
    return [own, 1.0, -1.0, 3.0, 99.0][(env_id + episode) % 5]


def by_hand(suite: Line, env_id: int, actions: list[int]) -> list[Any]:
    """The rows of one environment: (achieved, desired) before and after, own goal, reward, terminal, over, success, return."""
    environment, episode = Walker(suite), 0
    rows: list[Any] = []

    def begin() -> tuple[Any, float, float]:
        nonlocal episode
        while True:
            try:
                seen: Any = environment.reset(derive(SEED, "environment", env_id, episode, bits=31))
            except EpisodeFailed:
                episode += 1
                continue
            own = float(seen["desired_goal"][0])
            return seen, own, goal_of(env_id, episode, own)

    seen, own, goal = begin()
    total = 0.0
    for action in actions:
        before = float(seen["achieved_goal"][0])
        try:
            step = environment.step(np.array(action))
        except EpisodeFailed:
            rows.append(None)
            episode, total = episode + 1, 0.0
            seen, own, goal = begin()
            continue
        seen = step.observation
        after = float(seen["achieved_goal"][0])
        off_the_line = abs(after) == 4
        over = step.terminated or step.truncated
        reached = after == goal
        total += float(reached) - 1
        rows.append((before, goal, after, goal, own, float(reached) - 1, reached or off_the_line, over, reached, total if over else 0.0))
        if over:
            episode, total = episode + 1, 0.0
            seen, own, goal = begin()
    return rows


class Chooser:
    """Chooses by environment and episode; counts its episodes as the environments do."""

    def __init__(self, environments: WorkerVectorEnv) -> None:
        self.environments = environments

    def __call__(self, env_ids: np.ndarray, observation: np.ndarray) -> np.ndarray:
        assert observation.shape == env_ids.shape
        lanes = self.environments._lanes
        own = observation["desired_goal"]
        return np.array([[goal_of(int(i), lanes[i].episode, float(own[row, 0]))] for row, i in enumerate(env_ids)], np.float32)


def opened(suite: Line, made: Callable[..., Any] = ChosenGoals) -> Any:
    raw = WorkerVectorEnv(suite, ENVIRONMENTS, SEED, placement="inline")
    return made(raw, suite, Chooser(raw))


def actions_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (count, ENVIRONMENTS))


def played(vector: Any, actions: np.ndarray) -> list[list[Any]]:
    """The same rows of each environment."""
    seen = vector.reset()
    rows: list[list[Any]] = [[] for _ in range(ENVIRONMENTS)]
    for action in actions:
        np.testing.assert_array_equal(vector.observations["desired_goal"], seen["desired_goal"])
        vector.step_async(action)
        steps = vector.step_wait()
        terminal = steps.terminated | steps.life_lost
        for i in range(ENVIRONMENTS):
            if steps.failed[i]:
                rows[i].append(None)
                continue
            assert steps.terminated[i] + steps.truncated[i] == steps.over[i]
            before, after = seen[i], steps.observation[i]
            ends = (bool(terminal[i]), bool(steps.over[i]), bool(steps.extra["success"][i]), float(steps.returns[i]))
            goals = (float(after["achieved_goal"][0]), float(after["desired_goal"][0]), float(steps.extra["actual_goal"][i, 0]))
            rows[i].append((float(before["achieved_goal"][0]), float(before["desired_goal"][0]), *goals, float(steps.reward[i]), *ends))
        seen = np.where(steps.over, steps.reset_observation, steps.observation)
    return rows


@pytest.mark.parametrize("task", ["6", "1", "6 fails"])
def test_rows_are_those_of_a_loop_by_hand(task: str) -> None:
    suite, actions = Line(task), actions_of(200)
    assert played(opened(suite), actions) == [by_hand(suite, i, actions[:, i].tolist()) for i in range(ENVIRONMENTS)]


class Unstored(ChosenGoals):
    """Wrong: the next observations keep the goal of the task."""

    def _pursue(self, steps: Any, rows: np.ndarray) -> None:
        own = steps.observation["desired_goal"].copy()
        super()._pursue(steps, rows)
        steps.observation["desired_goal"] = own


class InTheMiddle(ChosenGoals):
    """Wrong: the goal changes within an episode."""

    def step_wait(self) -> Any:
        steps = super().step_wait()
        self._begin(np.arange(ENVIRONMENTS), self.environments.observations)
        return steps


class Unrewarded(ChosenGoals):
    """Wrong: rewards and ends stay those of the goal of the task."""

    def _pursue(self, steps: Any, rows: np.ndarray) -> None:
        before = (steps.reward, steps.terminated, steps.truncated, steps.life_lost, steps.returns)
        super()._pursue(steps, rows)
        steps.reward, steps.terminated, steps.truncated, steps.life_lost, steps.returns = before


@pytest.mark.parametrize("wrong", [Unstored, InTheMiddle, Unrewarded])
def test_the_loop_by_hand_finds_what_others_get_wrong(wrong: type[ChosenGoals]) -> None:
    """Goals: the current goal not stored; a goal changed in the middle of an episode; rewards of another goal."""
    suite, actions = Line(), actions_of(60)
    try:
        found = played(opened(suite, wrong), actions)
    except AssertionError:
        return
    assert found != [by_hand(suite, i, actions[:, i].tolist()) for i in range(ENVIRONMENTS)]


def test_without_a_choice_nothing_differs_but_the_column() -> None:
    suite = Line("6 fails")
    plain, chosen = WorkerVectorEnv(suite, 2, SEED, placement="inline"), WorkerVectorEnv(suite, 2, SEED, placement="inline")
    wrapped = ChosenGoals(chosen, suite, lambda env_ids, observation: None)
    np.testing.assert_array_equal(plain.reset(), wrapped.reset())
    for action in actions_of(50)[:, :2]:
        plain.step_async(action)
        wrapped.step_async(action)
        one, other = plain.step_wait(), wrapped.step_wait()
        for name in ("observation", "reward", "terminated", "truncated", "failed", "reset_observation", "returns", "lengths", "life_lost"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
        np.testing.assert_array_equal(other.extra["actual_goal"][~one.failed], one.observation["desired_goal"][~one.failed])


@pytest.mark.parametrize("at", [0, 1, 17, 40])
def test_a_saved_state_goes_on_with_the_same_goals(at: int) -> None:
    suite, actions = Line(), actions_of(80)
    whole = played(opened(suite), actions)
    first = opened(suite)
    played(first, actions[:at])
    second = opened(suite)
    second.load_state_dict(first.state_dict())
    second.reset = lambda: second.observations
    assert [rows[at:] for rows in whole] == played(second, actions[at:])


def test_the_replay_holds_the_pursued_goal_and_the_own_one() -> None:
    suite = Line()
    vector = opened(suite)
    replay = Replay(vector.spec, Transitions(batch_size=500, discount=0.5), 400, ENVIRONMENTS, Streams(1))
    for i, observation in enumerate(vector.reset()):
        replay.begin(i, observation)
    expected = set()
    for action in actions_of(60):
        vector.step_async(action)
        steps = vector.step_wait()
        replay.extend(action, steps)
        terminal = steps.terminated | steps.life_lost
        for i in range(ENVIRONMENTS):
            goals = (float(steps.observation["desired_goal"][i, 0]), float(steps.extra["actual_goal"][i, 0]))
            expected.add((*goals, float(steps.observation["achieved_goal"][i, 0]), 0.0 if terminal[i] else 0.5, float(steps.reward[i])))
    batch = replay.sample()
    columns = ("obs.desired_goal", "actual_goal", "next_obs.achieved_goal", "discount", "reward")
    assert set(zip(*(batch[name].flatten().tolist() for name in columns), strict=True)) <= expected
    assert (batch["obs.desired_goal"] == batch["next_obs.desired_goal"]).all()
    assert (batch["obs.desired_goal"] != batch["actual_goal"]).any()


def test_a_task_without_goals_and_goals_of_another_shape_are_refused() -> None:
    plain = Spec(Space((2,), "float32"), Space((2,), "float32"))
    with pytest.raises(UsageError, match="observations named achieved_goal and desired_goal; the task has one"):
        with_actual_goal(plain, Line())
    raw = WorkerVectorEnv(Line(), ENVIRONMENTS, SEED, placement="inline")
    wrong = ChosenGoals(raw, Line(), lambda env_ids, observation: np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"have the shape \(3, 2\) where \(3, 1\) is needed"):
        wrong.reset()
