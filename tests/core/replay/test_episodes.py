"""The first and the last slot of the episode of a slot, against a list of all episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions

SPEC = Spec(Space((1,), "float32"), Space((1,), "float32", -1, 1))
ENVS, LENGTH = 3, 17


def check(replay: Replay, episodes: list[list[tuple[int, int]]]) -> None:
    """Every slot that is held, of `episodes` ``[env][(first, last)]``."""
    store = replay.store
    for env_id, known in enumerate(episodes):
        for slot in range(int(store.tail[env_id]), int(store.head[env_id])):
            first, last = next((first, last) for first, last in known if first <= slot <= last)
            found = store.episodes(store.index(env_id, np.array([slot])))
            assert (found[0].item(), found[1].item()) == (max(first, store.tail[env_id]), last)


@pytest.mark.parametrize("seed", range(5))
def test_episodes_in_rings_that_wrap_with_discarded_and_unfinished_ones(seed: int, tmp_path: Path) -> None:
    """Also longer than a ring, and after the rows were restored."""
    random, written = np.random.default_rng(seed), Replay(SPEC, Transitions(), ENVS * LENGTH, ENVS, Streams(0))
    episodes: list[list[tuple[int, int]]] = [[] for _ in range(ENVS)]
    for number in range(40):
        env_id, steps, end = int(random.integers(ENVS)), int(random.choice([1, 2, 5, 30])), random.choice(["over", "open", "discard"])
        head = int(written.store.head[env_id])
        written.begin(env_id, np.zeros(1, np.float32))
        for step in range(steps):
            over = end == "over" and step == steps - 1
            written.add(env_id, np.zeros(1, np.float32), 0.0, False, over, np.zeros(1, np.float32))
        if end == "discard":
            written.discard(env_id)
        else:
            episodes[env_id].append((head, head + steps))
        check(written, episodes)
        if number % 10 == 9:
            restored = Replay(SPEC, Transitions(), ENVS * LENGTH, ENVS, Streams(0))
            restored.restore(tmp_path, written.flush(tmp_path))
            check(restored, episodes)
