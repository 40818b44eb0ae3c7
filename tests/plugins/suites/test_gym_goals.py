"""Goals of Gymnasium environments: their rewards for many rows, in this process, and what counts as success."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import unified
from unified.core.base.errors import UsageError
from unified.plugins.suites.gym.config import GymOptions
from unified.plugins.suites.gym.suite import Gym

ROWS = np.stack([np.linspace(0, 1, 7)[:, None] * [1.0, 0.5, 0.0], np.zeros((7, 3))]).astype(np.float32)
PLACE = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


class Reach(gymnasium.Env):
    """A point that moves by its action. Its functions of goals are those of the case."""

    observation_space = gymnasium.spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), PLACE))
    action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    success = "is_success"
    closed = 0

    def __init__(self, case: str = "rows") -> None:
        self.case = case

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place, self.goal, self.steps = *self.np_random.uniform(-1, 1, (2, 3)).astype(np.float32), 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.place, self.steps = np.clip(self.place + 0.3 * action, -1, 1).astype(np.float32), self.steps + 1
        reached = bool(np.linalg.norm(self.place - self.goal) < 0.5)
        return self._seen(), reached - 1.0, False, self.steps >= 10, {self.success: reached}

    def _seen(self) -> Any:
        return {"observation": self.place, "achieved_goal": self.place, "desired_goal": self.goal}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return REWARDS[self.case](achieved, desired)

    def compute_terminated(self, achieved: Any, desired: Any, info: Any) -> bool:
        return bool(np.linalg.norm(achieved - desired) < 1.0)  # as point mazes have it: for single goals

    def close(self) -> None:
        type(self).closed += 1


def _branching(achieved: Any, desired: Any) -> float:
    return 0.0 if ((achieved - desired) ** 2).sum(axis=-1) < 0.25 else -1.0


#: The same reward, for many rows, for a single goal, and for a single goal with a branch.
REWARDS: dict[str, Callable[[Any, Any], Any]] = {
    "rows": lambda achieved, desired: -(np.linalg.norm(achieved - desired, axis=-1) >= 0.5).astype(np.float32),
    "one": lambda achieved, desired: -float(np.linalg.norm(achieved - desired) >= 0.5),
    "branch": _branching,
}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for case in REWARDS:
        gymnasium.register(f"{case.title()}Reach-v0", Reach, kwargs={"case": case}, max_episode_steps=10)
    yield
    for case in REWARDS:
        gymnasium.registry.pop(f"{case.title()}Reach-v0")


def suite(case: str = "rows", **options: Any) -> Gym:
    return Gym(f"{case.title()}Reach-v0", GymOptions(**options))


@pytest.mark.parametrize("case", REWARDS)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_rewards_of_rows_are_those_of_single_goals(case: str, count: int) -> None:
    """HER: a function of single goals, called with an array of them, gives one number, which NumPy repeats for all rows."""
    achieved, desired = ROWS[:, :count]
    rewards = [-float(np.linalg.norm(one - other) >= 0.5) for one, other in zip(achieved, desired, strict=True)]
    ends = [bool(np.linalg.norm(one - other) < 1.0) for one, other in zip(achieved, desired, strict=True)]
    made = suite(case)
    assert made.compute_reward(achieved, desired).tolist() == rewards
    assert made.compute_terminated(achieved, desired).tolist() == ends
    if count == 7:
        assert len(set(rewards)) == len(set(ends)) == 2


def test_the_environment_of_rewards_is_made_once_and_closed_at_the_end() -> None:
    gc.collect()  # those of other tests
    made, before = suite(), Reach.closed
    for _ in range(3):
        made.compute_reward(*ROWS)
    assert made._goals is made._goals
    del made
    gc.collect()
    assert Reach.closed == before + 1


def test_rewards_of_several_frames_are_refused() -> None:
    with pytest.raises(UsageError, match=r"suite\.action_repeat=2 adds several"):
        suite(action_repeat=2).compute_reward(*ROWS)


@pytest.mark.parametrize("name", ["is_success", "success"])
def test_success_is_what_the_task_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reach, "success", name)
    environment = suite().environment()
    seen, said = environment.reset(1), []
    for _ in range(10):
        assert isinstance(seen, dict)
        step = environment.step(np.clip((seen["desired_goal"] - seen["achieved_goal"]) / 0.3, -1, 1))
        seen = step.observation
        said.append(step.extra["success"])
    assert said == sorted(said)
    assert (said[0], said[-1]) == (False, True)
    environment.close()


def test_an_id_with_its_package_is_learned_by_hindsight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package is imported first; success is in the rows of training and of evaluation."""
    (tmp_path / "brings_goals.py").write_text(
        f"import gymnasium\ngymnasium.register('Brought-v0', '{__name__}:Reach', max_episode_steps=10)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    small = {"agent.batch_size": 16, "agent.actor.hidden_dim": 8, "agent.critic.hidden_dim": 8, "agent.learning_starts": 30}
    quiet = {"callbacks": [], "device": "cpu", "train.env_backend": "inline", "evaluate.episodes": 2, "train.log_every": 50}
    values = {**small, **quiet, "replay.sampler": "hindsight", "train.frames": 150, "root": str(tmp_path / "runs")}
    try:
        run = unified.train(agent="sac", suite="gym:brings_goals:Brought-v0", config=values)
    finally:
        gymnasium.registry.pop("Brought-v0")
    rows = run.metrics()
    assert {kind: 0 <= next(row["success"] for row in rows if row["kind"] == kind) <= 1 for kind in ("train", "evaluate")} == {
        "train": True,
        "evaluate": True,
    }
