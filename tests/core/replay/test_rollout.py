"""Rollouts: everything that happened since the last updates, once, in order, then in minibatches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.rollout import gather_rollout
from unified.core.replay.views import Rollout

SPEC = Spec(Space((1,), "float32"), Space((), "int64", 0, 3, 4))
LANES = 2


class Played:
    """Two environments whose observations count their steps: 100 · lane + 10 · episode + step; episodes last 3 steps and 5."""

    def __init__(self, view: Rollout, extra: dict[str, Space] | None = None) -> None:
        self.replay = Replay(SPEC, view, 64, LANES, Streams(1), extra=extra)
        self.view, self.lengths = view, (3, 5)
        self.episode, self.step = [0, 0], [0, 0]
        self.lived: list[list[tuple[float, float, float, bool, bool]]] = [[], []]  # obs, next obs, reward, terminated, over
        for env_id in range(LANES):
            self.replay.begin(env_id, self.observation(env_id))

    def observation(self, env_id: int) -> np.ndarray:
        return np.array([100 * env_id + 10 * self.episode[env_id] + self.step[env_id]], np.float32)

    def act(self, steps: int) -> None:
        for _ in range(steps):
            for env_id in range(LANES):
                before = self.observation(env_id)
                self.step[env_id] += 1
                over = self.step[env_id] == self.lengths[env_id]
                terminated = over and env_id == 0  # lane 1 runs into a time limit
                after = self.observation(env_id)
                reward = float(before[0]) / 7
                self.replay.add(env_id, np.int64(self.step[env_id] % 4), reward, terminated, over and not terminated, after)
                self.lived[env_id].append((float(before[0]), float(after[0]), reward, terminated, over))
                if over:
                    self.episode[env_id], self.step[env_id] = self.episode[env_id] + 1, 0
                    self.replay.begin(env_id, self.observation(env_id))

    def since(self, start: int) -> list[tuple[float, float, float, bool, bool]]:
        return [row for env_id in range(LANES) for row in self.lived[env_id][start:]]


def test_it_holds_what_happened_in_order_with_the_true_next_observations() -> None:
    played = Played(Rollout(n_steps=8, discount=0.9))
    played.act(8)
    batch = gather_rollout(played.view, played.replay)
    wanted = played.since(0)
    torch.testing.assert_close(batch.obs[:, 0], torch.tensor([row[0] for row in wanted]))
    torch.testing.assert_close(batch.next_obs[:, 0], torch.tensor([row[1] for row in wanted]))
    torch.testing.assert_close(batch.reward, torch.tensor([row[2] for row in wanted]))
    torch.testing.assert_close(batch.discount, torch.tensor([0.0 if row[3] else 0.9 for row in wanted]))
    ends = {7, 15}  # the newest row of each environment
    assert batch.boundary.tolist() == [row[4] or index in ends for index, row in enumerate(wanted)]


def test_what_was_learned_from_is_not_seen_again_and_nothing_is_left_out() -> None:
    played = Played(Rollout(n_steps=4, batch_size=4, epochs=1))
    for round_ in range(5):
        played.act(4)
        every, per_step = played.view.update_schedule(LANES)
        batches = list(played.replay.batches(round(every * per_step), lambda batch: batch))
        seen = sorted(float(value) for batch in batches for value in batch.obs[:, 0])
        assert seen == sorted(row[0] for row in played.since(4 * round_))


def test_each_epoch_shows_every_row_once_in_an_order_of_its_own() -> None:
    played = Played(Rollout(n_steps=6, batch_size=4, epochs=3))
    played.act(6)
    every, per_step = played.view.update_schedule(LANES)
    count = round(every * per_step)
    assert (every, count) == (12, 9)
    shown = [batch.obs[:, 0].tolist() for batch in played.replay.batches(count, lambda batch: batch)]
    epochs = [[value for part in shown[start : start + 3] for value in part] for start in (0, 3, 6)]
    assert all(sorted(epoch) == sorted(row[0] for row in played.since(0)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize("owed", [1, 5, 9])
def test_minibatches_follow_from_the_rows_and_not_from_what_is_owed(owed: int) -> None:
    played = Played(Rollout(n_steps=6, batch_size=4, epochs=3))
    played.act(6)
    assert [len(batch.obs) for batch in played.replay.batches(owed, lambda batch: batch)] == [4] * 9


def test_a_short_rollout_has_fewer_minibatches_of_the_same_size() -> None:
    played = Played(Rollout(n_steps=8, batch_size=4, epochs=2))
    played.act(8)
    played.replay.discard(1)  # its episode of 5 steps is over, the next one is 3 steps old
    assert [len(batch.obs) for batch in played.replay.batches(8, lambda batch: batch)] == [5, 4, 4] * 2


def test_where_every_episode_failed_there_is_nothing_to_learn_from() -> None:
    played = Played(Rollout(n_steps=2, batch_size=4, epochs=2))
    played.act(2)
    for env_id in range(LANES):
        played.replay.discard(env_id)
    assert not list(played.replay.batches(2, lambda batch: batch))


def test_a_rollout_is_consumed_when_its_last_update_is_done() -> None:
    played = Played(Rollout(n_steps=4, batch_size=4, epochs=1))
    played.act(4)
    batches = played.replay.batches(2, lambda batch: batch)
    for _ in range(2):
        next(batches)
        assert len(gather_rollout(played.view, played.replay).reward) == 8
    assert next(batches, None) is None
    assert not len(gather_rollout(played.view, played.replay).reward)


def test_the_agent_prepares_the_whole_of_it_once() -> None:
    played = Played(Rollout(n_steps=4, batch_size=4, epochs=2))
    played.act(4)
    prepared = []

    def prepare(batch: Batch) -> Batch:
        prepared.append(len(batch.reward))
        return batch.with_columns(advantage=batch.reward * 2)

    batches = list(played.replay.batches(4, prepare))
    assert prepared == [8]
    assert all(torch.equal(batch.advantage, batch.reward * 2) for batch in batches)


def test_columns_beside_the_action_come_back_with_their_rows() -> None:
    view = Rollout(n_steps=4)
    replay = Replay(SPEC, view, 64, 1, Streams(1), extra={"log_prob": Space((), "float32"), "logits": Space((2,), "float32")})
    from unified.core.envs.step_batch import StepBatch

    replay.begin(0, np.zeros(1, np.float32))
    for step in range(1, 4):
        no, zeros = np.zeros(1, bool), np.zeros((1, 1), np.float32)
        steps = StepBatch(zeros + step, np.ones(1, np.float32), no, no, no, zeros, np.zeros(1), np.zeros(1, np.int64))
        extra = {"log_prob": np.array([-float(step)], np.float32), "logits": np.array([[step, -step]], np.float32)}
        replay.extend(np.array([step]), steps, extra)
    batch = gather_rollout(view, replay)
    assert batch.log_prob.tolist() == [-1.0, -2.0, -3.0]
    assert batch.logits.tolist() == [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]


def test_a_discarded_episode_leaves_no_row_and_hides_none_that_comes_after() -> None:
    played = Played(Rollout(n_steps=4))
    played.act(2)
    list(played.replay.batches(1, lambda batch: batch))
    played.replay.discard(0)
    played.replay.begin(0, np.array([77.0], np.float32))
    played.replay.add(0, np.int64(1), 1.0, False, False, np.array([78.0], np.float32))
    batch = gather_rollout(played.view, played.replay)
    assert batch.obs[:, 0].tolist() == [77.0]


def test_what_was_consumed_survives_a_checkpoint(tmp_path: object) -> None:
    played = Played(Rollout(n_steps=4))
    played.act(4)
    list(played.replay.batches(1, lambda batch: batch))
    played.act(2)
    boundary, state = played.replay.flush(str(tmp_path)), played.replay.state_dict()
    other = Replay(SPEC, played.view, 64, LANES, Streams(1))
    other.restore(str(tmp_path), boundary)
    other.load_state_dict(state)
    torch.testing.assert_close(gather_rollout(played.view, other).obs, gather_rollout(played.view, played.replay).obs)


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"epochs": 0}, {"discount": 1.5}])
def test_a_rollout_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a rollout needs"):
        Rollout(**wrong)
