"""A slow replay to compare with: lists of episodes, and explicit loops for everything that the real one does by index arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.step_batch import StepBatch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

FRAMES = Spec(Space((1, 2, 2), "uint8", 0, 255), Space((2,), "float32", -1.0, 1.0))
VECTORS = Spec(Space((3,), "float32"), Space((), "int64", n=4))


@dataclass
class Episode:
    observations: list[np.ndarray]
    first_slot: int
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: bool = False
    over: bool = False


class Brute:
    """Every episode is kept for ever; what a ring of `length` slots would have lost is worked out on asking."""

    def __init__(self, view: Transitions, length: int, num_envs: int) -> None:
        self.view, self.length = view, length
        self.episodes: list[list[Episode]] = [[] for _ in range(num_envs)]
        self.written = [0] * num_envs  # slots now
        self.life_lost = [0] * num_envs  # slots below were overwritten at some time

    def _wrote(self, env_id: int) -> None:
        self.written[env_id] += 1
        self.life_lost[env_id] = max(self.life_lost[env_id], self.written[env_id] - self.length)

    def begin(self, env_id: int, observation: np.ndarray) -> None:
        self.episodes[env_id].append(Episode([observation], self.written[env_id]))
        self._wrote(env_id)

    def add(self, env_id: int, action: Any, reward: float, terminated: bool, truncated: bool, observation: np.ndarray) -> None:
        episode = self.episodes[env_id][-1]
        episode.actions.append(action)
        episode.rewards.append(reward)
        episode.observations.append(observation)
        episode.terminated, episode.over = terminated, terminated or truncated
        self._wrote(env_id)

    def discard(self, env_id: int) -> None:
        episode = self.episodes[env_id].pop()
        self.written[env_id] = episode.first_slot
        self.life_lost[env_id] = min(self.life_lost[env_id], episode.first_slot)

    def stack(self, episode: Episode, at: int) -> np.ndarray:
        frames = []
        for back in range(self.view.stack - 1, -1, -1):
            frames.append(episode.observations[max(at - back, 0)])
        return np.concatenate(frames)

    def rows(self) -> dict[int, dict[str, Any]]:
        """Every row that may be drawn, by its index in the replay."""
        found = {}
        for env_id, episodes in enumerate(self.episodes):
            for episode in episodes:
                for at in range(len(episode.actions)):
                    if episode.first_slot + max(at - self.view.stack + 1, 0) < self.life_lost[env_id]:
                        continue
                    if not episode.over and at + self.view.n_step > len(episode.actions):
                        continue
                    reward, end = np.float32(0), at
                    for k in range(self.view.n_step):
                        if end == len(episode.actions):
                            break
                        reward += np.float32(self.view.discount**k) * np.float32(episode.rewards[end])
                        end += 1
                    ends_there = end == len(episode.actions) and episode.terminated
                    slot = episode.first_slot + at
                    found[env_id * self.length + slot % self.length] = {
                        "obs": self.stack(episode, at),
                        "action": episode.actions[at],
                        "reward": reward,
                        "discount": np.float32(0 if ends_there else self.view.discount ** (end - at)),
                        "next_obs": self.stack(episode, end),
                        **self.future(episode, at),
                    }
        return found

    def future(self, episode: Episode, at: int) -> dict[str, Any]:
        """What followed step `at`, as far as it has been lived; the last observation and no action for what is beyond."""
        if not self.view.future_steps:
            return {}
        lived = len(episode.actions)
        steps = range(at, at + self.view.future_steps)
        nothing = np.zeros_like(episode.actions[at])
        return {
            "future_obs": np.stack([self.stack(episode, min(step + 1, lived)) for step in steps]),
            "future_action": np.stack([episode.actions[step] if step < lived else nothing for step in steps]),
            "future_mask": np.array([step < lived for step in steps], np.float32),
        }

    def steps(self) -> int:
        return sum(
            episode.first_slot + at >= self.life_lost[env_id]
            for env_id, episodes in enumerate(self.episodes)
            for episode in episodes
            for at in range(len(episode.actions))
        )


class Both:
    """The real replay and the slow one, given the same things."""

    def __init__(self, spec: Spec, view: Transitions, capacity: int, num_envs: int, **options: Any) -> None:
        self.spec, self.view, self.num_envs = spec, view, num_envs
        self.replay = Replay(spec, view, capacity, num_envs, Streams(7), **options)
        self.brute = Brute(view, self.replay.store.length, num_envs)
        self.random = np.random.default_rng(0)

    def observation(self) -> np.ndarray:
        space = self.spec.observation
        return self.random.integers(0, 255, space.shape).astype(space.dtype)

    def action(self) -> Any:
        space = self.spec.action
        return self.random.integers(0, 4, space.shape).astype(space.dtype)

    def begin(self, env_id: int) -> None:
        first = self.observation()
        self.replay.begin(env_id, first)
        self.brute.begin(env_id, first)

    def step(self, kinds: str, env_ids: np.ndarray | None = None) -> None:
        """One step of all lanes, or of some; a letter for each: ``-`` goes on, ``e`` ends by time, ``t`` terminates, ``f`` fails."""
        kinds = "".join(kinds)
        n = range(len(kinds))
        steps = StepBatch(
            np.stack([self.observation() for _ in n]),
            self.random.standard_normal(len(kinds)).astype(np.float32),
            np.array([kind == "t" for kind in kinds]),
            np.array([kind == "e" for kind in kinds]),
            np.array([kind == "f" for kind in kinds]),
            np.stack([self.observation() for _ in n]),
            returns=np.zeros(len(kinds)),
            lengths=np.zeros(len(kinds), np.int64),
            env_ids=env_ids,
        )
        actions = np.stack([self.action() for _ in n])
        self.replay.extend(actions, steps)
        for row, i in enumerate(steps.ids.tolist()):
            if steps.failed[row]:
                self.brute.discard(i)
            else:
                ends = bool(steps.terminated[row]), bool(steps.truncated[row])
                self.brute.add(i, actions[row], float(steps.reward[row]), *ends, steps.observation[row])
            if kinds[row] != "-":
                self.brute.begin(i, steps.reset_observation[row])

    def compare(self, batches: int = 3) -> None:
        rows = self.brute.rows()
        assert self.replay.view.count(self.replay.store) == len(rows)
        assert self.replay.ready == bool(rows)
        assert self.replay.steps == self.brute.steps()
        for _ in range(batches if rows else 0):
            compare_batch(self.replay.sample(), rows)


def compare_batch(batch: Any, rows: dict[int, dict[str, Any]]) -> None:
    for i, index in enumerate(batch.index.tolist()):
        assert index in rows
        for name, expected in rows[index].items():
            np.testing.assert_allclose(batch[name][i].numpy(), expected, rtol=1e-6, atol=1e-6, err_msg=name)


def equal(a: Any, b: Any) -> bool:
    """Whether two batches are the same bit for bit."""
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and np.array_equal(a[name].numpy(), b[name].numpy()) for name in a)


def play(both: Both, kinds: str) -> Both:
    """Begin in all lanes, then one step for each letter, the lanes shifted against one another so that they end at different times."""
    for env_id in range(both.num_envs):
        both.begin(env_id)
    for i in range(len(kinds)):
        both.step("".join(kinds[(i + 2 * env_id) % len(kinds)] for env_id in range(both.num_envs)))
    return both


@pytest.fixture(scope="session")
def helpers() -> Any:
    """This module: tests are imported by path, so they cannot import from it."""
    import sys

    return sys.modules[__name__]
