"""What is made of a loaded replay: the best whole episodes, and other rewards, against loops over episodes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.buffer import Replay
from unified.core.replay.loaded import Loading, whole_episodes
from unified.core.replay.views import Transitions

SPEC = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0))
#: Rewards of each episode of each environment, in the order of time; the last one of the second environment goes on.
EPISODES = [[[1.0], [-5.0, 2.0], [4.0, 4.0, 4.0], [0.5]], [[2.0, 2.0], [-1.0] * 4, [100.0, 100.0]]]
UNFINISHED = (1, 2)


def saved(tmp_path: Path, capacity: int = 100) -> Path:
    replay = Replay(SPEC, Transitions(batch_size=4), capacity, 2, Streams(1), directory=tmp_path / "run" / "replay")
    number = 0.0
    for env_id, episodes in enumerate(EPISODES):
        for index, rewards in enumerate(episodes):
            replay.begin(env_id, np.array([number], np.float32))
            for step, reward in enumerate(rewards):
                number += 1.0
                over = step == len(rewards) - 1 and (env_id, index) != UNFINISHED
                after = np.array([number], np.float32)
                replay.add(env_id, np.zeros(1, np.float32), reward, over and index % 2 == 0, over and index % 2 == 1, after)
            number += 1.0
    return replay.save_as(tmp_path, "kept")


def loaded(tmp_path: Path, num_envs: int = 1, capacity: int = 60, **changes: Any) -> Replay:
    replay = Replay(SPEC, Transitions(batch_size=500), capacity, num_envs, Streams(1))
    replay.load_saved(saved(tmp_path) if not (tmp_path / "replays").exists() else tmp_path / "replays" / "kept", Loading(**changes))
    return replay


def episodes_of(replay: Replay) -> list[list[float]]:
    """The rewards of each episode that is held, by a loop over slots."""
    store, found = replay.store, []
    for env_id in range(store.num_envs):
        rewards: list[float] = []
        for slot in range(int(store.tail[env_id]), int(store.head[env_id])):
            index = int(store.index(env_id, slot))
            if store.data["last"][index]:
                found += [rewards] if rewards else []
                rewards = []
            else:
                rewards.append(float(store.data["reward"][index]))
        assert not rewards
    return sorted(found)


WHOLE = [rewards for env_id, episodes in enumerate(EPISODES) for index, rewards in enumerate(episodes) if (env_id, index) != UNFINISHED]


@pytest.mark.parametrize("num_envs", [1, 2, 3])
@pytest.mark.parametrize("share", [0.01, 0.2, 1 / 6, 0.5, 0.51, 0.99])
def test_the_best_episodes_are_kept_whole(tmp_path: Path, share: float, num_envs: int) -> None:
    replay = loaded(tmp_path, num_envs, top=share)
    best = sorted(WHOLE, key=sum, reverse=True)[: max(1, math.ceil(share * len(WHOLE) - 1e-9))]
    assert episodes_of(replay) == sorted(best)
    assert replay.steps == sum(map(len, best))
    batch = replay.sample()
    steps = {(obs, after) for obs, after in zip(batch.obs.flatten().tolist(), batch.next_obs.flatten().tolist(), strict=True)}
    assert all(after == obs + 1 for obs, after in steps), "what came next is of the same episode"
    assert len(steps) == replay.steps
    assert set(batch.reward.tolist()) == {reward for rewards in best for reward in rewards}


def test_an_episode_that_was_cut_off_by_saving_is_never_the_best(tmp_path: Path) -> None:
    """%BC: where each step costs something, an unfinished episode has the best return of all."""
    replay = loaded(tmp_path, top=0.01)
    assert episodes_of(replay) == [[4.0, 4.0, 4.0]]
    everything = loaded(tmp_path)
    assert [100.0, 100.0] in episodes_of(everything)  # what a choice among all of them would take


def test_an_episode_whose_start_was_overwritten_is_not_whole(tmp_path: Path) -> None:
    whole, small = loaded(tmp_path), loaded(tmp_path, capacity=12)
    assert len(whole_episodes(whole.store)[3]) == len(WHOLE) + 1
    returns = whole_episodes(small.store)[3].tolist()
    assert returns == [4.0, -4.0, 200.0]


def test_of_equal_episodes_the_earlier_is_kept(tmp_path: Path) -> None:
    replay = Replay(SPEC, Transitions(batch_size=4), 40, 1, Streams(1))
    for number in range(4):
        replay.begin(0, np.array([number], np.float32))
        replay.add(0, np.zeros(1, np.float32), 1.0, True, False, np.array([number + 0.5], np.float32))
    Loading(top=0.5).apply(replay.store)
    held = replay.store.data["obs"][:4].ravel().tolist()
    assert held == [0.0, 0.5, 1.0, 1.5]


def test_no_whole_episode_is_an_error(tmp_path: Path) -> None:
    replay = Replay(SPEC, Transitions(batch_size=4), 40, 1, Streams(1))
    replay.begin(0, np.zeros(1, np.float32))
    replay.add(0, np.zeros(1, np.float32), 1.0, False, False, np.ones(1, np.float32))
    with pytest.raises(UsageError, match=r"replay.top=0.5 keeps the best whole episodes, and this replay holds none"):
        Loading(top=0.5).apply(replay.store)


def test_rewards_are_scaled_to_the_range_of_returns_and_shifted(tmp_path: Path) -> None:
    replay = loaded(tmp_path, return_range=1000.0, reward_shift=-1.0)
    scale = 1000.0 / (12.0 + 4.0)
    expected = sorted([reward * scale - 1.0 for reward in rewards] for rewards in [*WHOLE, [100.0, 100.0]])
    for found, wanted in zip(episodes_of(replay), expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-6)
    store = replay.store
    last = store.data["last"][: store.head[0]]
    assert not store.data["reward"][: store.head[0]][last].any(), "a last observation has no reward"
    once = loaded(tmp_path, reward_scale=5.0, reward_shift=-1.0)
    assert episodes_of(once) == sorted([reward * 5.0 - 1.0 for reward in rewards] for rewards in [*WHOLE, [100.0, 100.0]])


def test_equal_returns_have_no_range(tmp_path: Path) -> None:
    replay = Replay(SPEC, Transitions(batch_size=4), 40, 1, Streams(1))
    for _ in range(2):
        replay.begin(0, np.zeros(1, np.float32))
        replay.add(0, np.zeros(1, np.float32), 1.0, True, False, np.ones(1, np.float32))
    with pytest.raises(UsageError, match="do not differ in their return"):
        Loading(return_range=1000.0).apply(replay.store)


def test_a_kept_episode_is_sealed_and_restored(tmp_path: Path) -> None:
    replay = loaded(tmp_path, 2, top=0.5)
    snapshot = replay.flush(tmp_path / "new")
    other = Replay(SPEC, Transitions(batch_size=500), 60, 2, Streams(1))
    other.restore(tmp_path / "new", snapshot)
    assert episodes_of(other) == episodes_of(replay)
    one, two = replay.sample(), other.sample()
    assert all((one[name] == two[name]).all() for name in one)


def test_observations_are_those_at_which_an_action_was_taken(tmp_path: Path) -> None:
    replay = loaded(tmp_path, 2)
    found = np.concatenate([batch.obs.numpy().ravel() for batch in replay.stored(size=3)])
    index = np.concatenate([replay.store.index(lane, np.arange(replay.store.tail[lane], replay.store.head[lane])) for lane in range(2)])
    assert found.tolist() == [float(replay.store.data["obs"][each, 0]) for each in index if not replay.store.data["last"][each]]
