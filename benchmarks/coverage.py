"""How much of a maze is seen from one start: goals that MEGA chooses, beside exploration by ε-random actions alone.

The maze is that of `PointMaze_Medium` of Gymnasium-Robotics, without physics: a point that moves by its action, at most a quarter of a
cell, until it meets a wall. ``COVERAGE_STEPS`` sets the agent steps of a run (50,000), ``COVERAGE_SEEDS`` how many seeds (3).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from statistics import mean
from typing import Any

import numpy as np

import unified
from row import Row
from unified import Environment, Options, Space, Spec, Step, Suite, hookimpl

#: Walls are 1.
MAZE = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 1, 1, 0, 0, 1],
        [1, 0, 0, 1, 0, 0, 0, 1],
        [1, 1, 0, 0, 0, 1, 1, 1],
        [1, 0, 0, 1, 0, 0, 0, 1],
        [1, 0, 1, 0, 0, 1, 0, 1],
        [1, 0, 0, 0, 1, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1, 1],
    ]
)
FREE = np.argwhere(MAZE == 0)
#: Episodes begin in this cell. A quarter of it is the longest step, and so near a goal is reached.
START, LONGEST, NEAR = np.array([1, 1]), 0.25, 0.3
VALUES: dict[str, Any] = {
    **{"agent": "td3", "callbacks": [], "device": "cpu", "train.env_backend": "inline", "evaluate.every": 0, "evaluate.episodes": 1},
    **{"agent.learning_starts": 1000, "agent.updates_per_step": 0.25, "agent.batch_size": 256, "agent.lr": 1e-3, "agent.discount": 0.98},
    **{"agent.noise.epsilon": 0.2, "agent.noise.std": "0.1", "replay.sampler": "hindsight", "train.num_envs": 2},
}


class Maze(Suite):
    """The goal is a random free cell; an episode has 60 steps."""

    Options = Options
    placement = "inline"

    def environment(self) -> Environment:
        return Point()

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        reached: np.ndarray = np.linalg.norm(achieved - desired, axis=-1) <= NEAR
        return reached.astype(np.float32) - 1


class Point(Environment):
    def __init__(self) -> None:
        place = Space((2,), "float32", 0, 8)
        observation = {"achieved_goal": place, "desired_goal": place}
        columns = {"success": Space((), "bool")}
        self.spec = Spec(observation, Space((2,), "float32", -1, 1), reward_range=(-1, 0), episode_frames=60, columns=columns)

    def reset(self, seed: int, options: Mapping[str, Any] | None = None) -> Mapping[str, np.ndarray]:
        cell = FREE[np.random.default_rng(seed).integers(len(FREE))]
        self.place, self.goal, self.steps = START + 0.5, (cell + 0.5).astype(np.float32), 0
        return self.seen()

    def step(self, action: np.ndarray) -> Step:
        for axis in range(2):  # along a wall the other number still moves it
            there = self.place.copy()
            there[axis] += LONGEST * float(np.clip(action[axis], -1, 1))
            if not MAZE[tuple(there.astype(int))]:
                self.place = there
        self.steps += 1
        reached = bool(np.linalg.norm(self.place - self.goal) <= NEAR)
        return Step(self.seen(), reached - 1.0, False, self.steps == 60, extra={"success": reached})

    def seen(self) -> Mapping[str, np.ndarray]:
        return {"achieved_goal": self.place.astype(np.float32), "desired_goal": self.goal}


class Visits:
    """Quarters of free cells that training has been in."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, ...]] = set()

    @hookimpl
    def on_experience(self, steps: Any) -> None:
        self.seen.update(map(tuple, (2 * steps.observation["achieved_goal"]).astype(int).tolist()))

    @property
    def share(self) -> float:
        return len(self.seen) / (4 * len(FREE))


def coverage(steps: int, seed: int, chosen: bool) -> float:
    """Share of the maze that a run of so many agent steps has been in."""
    visits, values = Visits(), {**VALUES, "suite": Maze, "train.frames": steps, "seed": seed}
    callbacks = [*(["goals"] if chosen else []), visits]
    with tempfile.TemporaryDirectory() as root:
        unified.train(config={**values, "callbacks": callbacks, "root": root})
    return visits.share


def measure() -> list[Row]:
    """One row: the share with chosen goals, beside that without."""
    steps, seeds = int(os.environ.get("COVERAGE_STEPS", 50_000)), range(1, 1 + int(os.environ.get("COVERAGE_SEEDS", 3)))
    ours, others = ([coverage(steps, seed, chosen) for seed in seeds] for chosen in (True, False))
    what = f"share of a maze seen from one start in {steps:,} steps of td3 with hindsight: goals by mega, beside ε = 0.2"
    return [Row(what, f"{mean(ours):.0%}", f"{mean(others):.0%}", f"{mean(ours) / mean(others):.1f}×", "≥ 1.5×")]
