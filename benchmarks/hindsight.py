"""Hindsight batches against `HerReplayBuffer` of Stable-Baselines3.

Both sides hold the same episodes of a task with the shapes of FetchReach, draw 1,024 rows of which four of five get a goal that was
achieved later, and compute rewards by the same function of the same Gymnasium environment. The rows end as tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from row import Row, pairs_in_turns, rate, require
from unified.core.base.rng import Streams
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.plugins.samplers.hindsight.config import HindsightOptions
from unified.plugins.samplers.hindsight.sampler import Hindsight
from unified.plugins.suites.gym.adapted import GymObject
from unified.plugins.suites.gym.config import GymOptions

BATCH, EPISODES, STEPS = 1_024, 2_000, 50
OBSERVATION, GOAL, ACTION = 10, 3, 4


def _box(size: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-10, 10, (size,), np.float32)


class Arm(gymnasium.Env):
    """The spaces and the reward of FetchReach; it is stepped by nobody."""

    observation_space = gymnasium.spaces.Dict(achieved_goal=_box(GOAL), desired_goal=_box(GOAL), observation=_box(OBSERVATION))
    action_space = gymnasium.spaces.Box(-1, 1, (ACTION,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.observation_space.sample(), {}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.05).astype(np.float32)


def episode(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Observations ``(STEPS + 1, size)`` by name and actions ``(STEPS, ACTION)``."""
    shapes = {"achieved_goal": GOAL, "observation": OBSERVATION}
    seen = {name: random.normal(size=(STEPS + 1, size)).astype(np.float32) for name, size in shapes.items()}
    seen["desired_goal"] = np.repeat(random.normal(size=(1, GOAL)).astype(np.float32), STEPS + 1, axis=0)
    return {**seen, "action": random.uniform(-1, 1, (STEPS, ACTION)).astype(np.float32)}


def ours(episodes: list[dict[str, np.ndarray]]) -> Replay:
    suite = GymObject(Arm, "", GymOptions())
    spec = suite.environment().spec
    sampler = Hindsight(HindsightOptions(strategy="future", k=4))
    replay = Replay(spec, Transitions(batch_size=BATCH), EPISODES * (STEPS + 1), 1, Streams(0), sampler=sampler, suite=suite)
    for each in episodes:
        record = spec.zeros(STEPS + 1)
        for name in spec.observation:  # type: ignore[union-attr]
            record[name] = each[name]
        replay.begin(0, record[0])
        for step in range(STEPS):
            replay.add(0, each["action"][step], -1.0, False, step == STEPS - 1, record[step + 1], {"success": False})
    return replay


def theirs(episodes: list[dict[str, np.ndarray]]) -> Any:
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.vec_env import DummyVecEnv

    env = DummyVecEnv([Arm])
    buffer = HerReplayBuffer(EPISODES * STEPS, env.observation_space, env.action_space, env, "cpu", n_sampled_goal=4)
    for each in episodes:
        seen = [{name: each[name][None, step] for name in Arm.observation_space} for step in range(STEPS + 1)]
        for step in range(STEPS):
            done = np.array([step == STEPS - 1])
            info = [{"TimeLimit.truncated": bool(done[0])}]
            buffer.add(seen[step], seen[step + 1], each["action"][None, step], np.array([-1.0]), done, info)
    return buffer


def measure(turns: int = 5, seconds: float = 2.0) -> Iterator[Row]:
    require("stable_baselines3")
    random = np.random.default_rng(0)
    episodes = [episode(random) for _ in range(EPISODES)]
    replay, buffer = ours(episodes), theirs(episodes)
    arms = {"unified": lambda: BATCH * rate(replay.sample, seconds)}
    peers = {"stable_baselines3": lambda: BATCH * rate(partial(buffer.sample, BATCH), seconds)}
    for rates in pairs_in_turns(arms, peers, turns).values():
        yield rates.row(f"hindsight, batches of {BATCH:,} from {EPISODES * STEPS:,} steps", "rows/s", 5)


if __name__ == "__main__":
    for row in measure():
        print(f"{row.what}: {row.ours}, reference {row.reference}, {row.ratio} (target {row.target})")
