"""Rows of steps as slots, against a loop over rows: ends, time limits, and observations that were not logged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Transitions
from unified.logged.episodes import Piece, Units, as_slots

SPEC = Spec(Space((1,), "float32"), Space((1,), "float32", -1.0, 1.0))
#: What one row is: a step in an episode, or one that ended it by itself or by a time limit.
KINDS = st.lists(st.sampled_from(["step", "terminated", "cut off"]), min_size=1, max_size=12)


def slots_of(kinds: list[str], has_next: bool) -> Piece:
    count = len(kinds)
    obs, after = np.arange(count, dtype=np.float32)[:, None], np.arange(count, dtype=np.float32)[:, None] + 0.5
    columns = {"observations": obs, "actions": obs / 100, "rewards": np.arange(count) + 1.0}
    ends = np.array([kind != "step" for kind in kinds])
    ends[-1] = True
    return as_slots(columns.__getitem__, ends, np.array([kind == "terminated" for kind in kinds]), (lambda: after) if has_next else None)


def transitions(kinds: list[str], has_next: bool) -> list[tuple[float, float, float, float]]:
    """Observation, reward, discount and next observation of each step that can be learned from, by a loop over rows."""
    found = []
    for row, kind in enumerate(kinds):
        over = kind != "step" or row == len(kinds) - 1
        if over and kind != "terminated" and not has_next:
            continue  # nobody knows where it led
        following = (row + 0.5 if has_next else row) if over else row + 1.0
        found.append((float(row), row + 1.0, 0.0 if kind == "terminated" else 0.99, following))
    return found


def held(piece: Piece) -> list[tuple[float, float, float, float]]:
    replay = Replay(SPEC, Transitions(batch_size=1, discount=0.99), max(len(piece.last), 3), 1, Streams(1))
    columns = {"obs": piece.observation, "action": piece.action, "reward": piece.reward, "terminated": piece.terminated}
    replay.load_episodes([{**columns, "last": piece.last, "step": piece.step}])  # type: ignore[dict-item]
    store = replay.store
    slots = np.arange(len(piece.last))
    index = store.index(0, slots)[replay.view.eligible(store, np.zeros(len(slots), np.int64), slots)]
    if not len(index):
        return []
    batch = replay.view.gather(store, index, replay.gatherer)
    columns = (batch.obs.flatten(), batch.reward, batch.discount, batch.next_obs.flatten())
    return [tuple(round(value, 5) for value in row) for row in zip(*(column.tolist() for column in columns), strict=True)]  # type: ignore[misc]


@given(KINDS, st.booleans())
def test_every_step_is_followed_by_what_it_led_to(kinds: list[str], has_next: bool) -> None:
    assert held(slots_of(kinds, has_next)) == transitions(kinds, has_next)


@given(KINDS, st.booleans())
def test_slots_are_counted_within_their_episode(kinds: list[str], has_next: bool) -> None:
    piece = slots_of(kinds, has_next)
    step = 0
    for slot in range(len(piece.last)):
        assert piece.step[slot] == step
        assert not (piece.last[slot] and (piece.reward[slot] or piece.terminated[slot]))
        step = 0 if piece.last[slot] else step + 1
    assert piece.last[-1]


def test_what_comes_next_is_never_of_another_episode() -> None:
    """D4RL: next_obs = obs[i + 1] across a time limit."""
    kinds = ["step", "cut off", "step", "terminated"]
    found = held(slots_of(kinds, has_next=False))
    wrong = (1.0, 2.0, 0.99, 2.0)  # the second row, followed by the first of the next episode
    assert wrong not in found
    assert [row[0] for row in found] == [0.0, 2.0, 3.0]
    assert (1.0, 2.0, 0.99, 1.5) in held(slots_of(kinds, has_next=True))


def test_a_time_limit_is_no_end() -> None:
    """D4RL: timeouts taken for terminals, which are worth nothing afterwards."""
    found = {obs: discount for obs, _, discount, _ in held(slots_of(["cut off", "terminated"], has_next=True))}
    assert found == {0.0: 0.99, 1.0: 0.0}


@pytest.mark.parametrize("kinds", [["terminated"], ["cut off"], ["step"]])
def test_an_episode_of_one_step(kinds: list[str]) -> None:
    for has_next in (False, True):
        assert held(slots_of(kinds, has_next)) == transitions(kinds, has_next)


@pytest.mark.parametrize(
    ("observation", "action", "says"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"observations are \(2,\) float64 there and \(1,\) float32 here"),
        ({"a": np.zeros((3, 1))}, np.zeros((3, 1)), r"observations are a there and \(1,\) here"),
        (np.zeros((3, 1)), np.zeros((3, 4)), r"actions are \(4,\) float64 there"),
        (np.array([["a"]] * 3), np.zeros((3, 1)), "observations are"),
    ],
)
def test_data_of_another_task_is_refused(observation: Any, action: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read(observation, action)


def read(observation: Any, action: Any) -> None:
    Units(SPEC).observations(observation)
    Units(SPEC).actions(action)


def test_choices_out_of_range_are_refused() -> None:
    units = Units(Spec(Space((1,), "float32"), Space((), "int64", 0, 1, 2)))
    assert units.actions(np.array([0, 1, 1])).tolist() == [0, 1, 1]
    with pytest.raises(UsageError, match="actions go from 0 to 2 there and from 0 to 1 here"):
        units.actions(np.array([0, 2]))
    with pytest.raises(UsageError, match="actions are"):
        units.actions(np.array([0.5, 1.0]))
