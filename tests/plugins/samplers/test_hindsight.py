from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Suite
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Rollout, Transitions
from unified.plugins.samplers.hindsight.config import HindsightOptions
from unified.plugins.samplers.hindsight.sampler import Hindsight
from unified.plugins.suites.goals.config import GoalsOptions
from unified.plugins.suites.goals.suite import Goals

GAMMA = 0.5
ONE = Space((1,), "float32")
SPEC = Spec(
    {"achieved_goal": ONE, "desired_goal": ONE, "other": ONE}, Space((1,), "float32", -1, 1), columns={"success": Space((), "bool")}
)
#: Relabels every row.
ALWAYS = 1e12


class Asymmetric(Suite):
    """Swapping the goals would show in the reward."""

    def __init__(self) -> None:
        super().__init__("", None)

    def environment(self) -> Environment:
        raise NotImplementedError

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved - 10 * desired)[:, 0]

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved == desired)[:, 0]


def observed(achieved: float, desired: float) -> np.ndarray:
    record = SPEC.zeros(1)
    record["achieved_goal"], record["desired_goal"], record["other"] = achieved, desired, -achieved
    return record.reshape(())


def hindsight(strategy: str, **options: Any) -> Hindsight:
    return Hindsight(HindsightOptions(strategy=strategy, **options))


def replay(sampler: Hindsight, capacity: int = 100, **view: Any) -> Replay:
    view = {"batch_size": 600, "discount": GAMMA, **view}
    return Replay(SPEC, Transitions(**view), capacity, 1, Streams(3), sampler=sampler, suite=Asymmetric())


def play(to: Replay, achieved: list[float], desired: float, end: str) -> None:
    """One episode through these achieved goals; it ends in `terminated`, `truncated`, or not at all (an empty text)."""
    to.begin(0, observed(achieved[0], desired))
    for number, reached in enumerate(achieved[1:], start=2):
        last = number == len(achieved)
        ends = (last and end == "terminated", last and end == "truncated")
        to.add(0, np.zeros(1, np.float32), -1.0, *ends, observed(reached, desired), {"success": False})


def rows(batch: Batch) -> list[dict[str, float]]:
    names = {"goal": "obs.desired_goal", "next_goal": "next_obs.desired_goal", "achieved": "obs.achieved_goal"}
    columns = {**{name: batch[key][:, 0] for name, key in names.items()}, "reward": batch.reward, "discount": batch.discount}
    return [dict(zip(columns, values, strict=True)) for values in zip(*(column.tolist() for column in columns.values()), strict=True)]


@pytest.mark.parametrize(
    ("strategy", "goals"),
    [
        ("final", {0: {3}, 1: {3}, 2: {3}}),
        ("future", {0: {1, 2, 3}, 1: {2, 3}, 2: {3}}),
        ("episode", {0: {1, 2, 3}, 1: {1, 2, 3}, 2: {1, 2, 3}}),
    ],
)
def test_goals_rewards_and_discounts_of_a_three_step_episode(strategy: Any, goals: dict[int, set[int]]) -> None:
    """HER: `final` took the last but one; the next observation kept the old goal; the reward swapped the goals; the end was kept."""
    to = replay(hindsight(strategy, k=ALWAYS))
    play(to, [50, 51, 52], 99, "truncated")
    play(to, [0, 1, 2, 3], 99, "truncated")
    play(to, [70, 71, 72, 73], 99, "truncated")
    found: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for row in rows(to.sample()):
        if row["achieved"] > 3:
            continue
        at = int(row["achieved"])
        found[at].add(int(row["goal"]))
        assert row["next_goal"] == row["goal"]
        assert row["reward"] == (at + 1) - 10 * row["goal"]
        assert row["discount"] == (0.0 if at + 1 == row["goal"] else GAMMA)
    assert found == goals


@pytest.mark.parametrize("strategy", ["future", "final", "episode"])
def test_goals_come_from_the_same_episode_across_the_write_head_of_a_ring(strategy: Any) -> None:
    """HER: relabelling across an episode's boundary or the ring's write head."""
    to = replay(hindsight(strategy, k=ALWAYS), capacity=23)
    for episode in range(40):
        play(to, [100 * episode + step for step in range(2 + episode % 5)], -1, ("truncated", "terminated", "")[episode % 3])
        if to.ready:
            batch = to.sample()
            assert (batch["obs.achieved_goal"] // 100 == batch["obs.desired_goal"] // 100).all()
            if strategy == "future":
                assert (batch["obs.desired_goal"] > batch["obs.achieved_goal"]).all()
            assert (batch["obs.other"] == -batch["obs.achieved_goal"]).all()


def test_an_unfinished_episode_offers_what_it_achieved_so_far_and_a_discarded_one_nothing() -> None:
    to = replay(hindsight("final", k=ALWAYS))
    play(to, [0, 1, 2], 99, "")
    assert {(row["achieved"], row["goal"]) for row in rows(to.sample())} == {(0, 2), (1, 2)}
    to.discard(0)
    play(to, [5, 6, 7, 8], 99, "truncated")
    assert {row["goal"] for row in rows(to.sample())} == {8}


def test_an_end_for_another_reason_stays_one_and_the_end_of_the_old_goal_does_not() -> None:
    """HER: reward relabelled but the end not."""
    crashed, reached = replay(hindsight("episode", k=ALWAYS)), replay(hindsight("episode", k=ALWAYS))
    play(crashed, [0, 1, 2], 99, "terminated")
    play(reached, [0, 1, 2], 2, "terminated")
    assert {row["discount"] for row in rows(crashed.sample()) if row["achieved"] == 1} == {0.0}
    by_goal = {row["goal"]: row["discount"] for row in rows(reached.sample()) if row["achieved"] == 1}
    assert by_goal == {1: GAMMA, 2: 0.0}


def test_all_rewards_of_an_n_step_return_are_relabelled_up_to_the_new_end() -> None:
    """HER: n-step returns with the rewards of the old goal."""
    to = replay(hindsight("episode", k=ALWAYS), n_step=3)
    play(to, [0, 1, 2, 3, 4], 99, "truncated")
    for row in rows(to.sample()):
        at, goal, reward, weight = int(row["achieved"]), row["goal"], 0.0, 1.0
        for after in range(at + 1, min(at + 3, 4) + 1):
            reward, weight = reward + weight * (after - 10 * goal), weight * GAMMA
            if after == goal:
                weight = 0.0
                break
        assert (row["reward"], row["discount"]) == (reward, weight)


@pytest.mark.parametrize("k", [0.0, 1.0, 4.0])
def test_of_k_plus_one_rows_one_keeps_its_goal_reward_and_end(k: float) -> None:
    to = replay(hindsight("future", k=k), batch_size=10_000)
    play(to, [0, 1, 2, 3], 99, "terminated")
    own = [row for row in rows(to.sample()) if row["goal"] == 99]
    share = 1 / (1 + k)
    assert abs(len(own) / 10_000 - share) <= 3 * np.sqrt(share * (1 - share) / 10_000)
    assert {(row["reward"], row["discount"]) for row in own} == {(-1.0, GAMMA), (-1.0, 0.0)}


def test_goals_of_a_stack_are_relabelled_in_every_frame() -> None:
    to = replay(hindsight("final", k=ALWAYS), stack=3)
    play(to, [0, 1, 2, 3], 99, "truncated")
    batch = to.sample()
    assert (batch["obs.desired_goal"] == 3).all()
    assert batch.joined(stack=3).obs.shape == (600, 9)
    assert (batch.joined(stack=3).obs.reshape(600, 3, 3)[:, :, 1] == 3).all()


def test_refuses_what_it_cannot_relabel() -> None:
    plain = Spec(ONE, Space((1,), "float32"))
    with pytest.raises(UsageError, match="achieved_goal and desired_goal"):
        Replay(plain, Transitions(), 100, 1, Streams(1), sampler=hindsight("future"), suite=Asymmetric())
    with pytest.raises(UsageError, match="off-policy"):
        Replay(SPEC, Rollout(), 100, 1, Streams(1), sampler=hindsight("future"), suite=Asymmetric())
    with pytest.raises(UsageError, match="compute_reward"):
        Replay(SPEC, Transitions(), 100, 1, Streams(1), sampler=hindsight("future"))


def test_bits_are_rewarded_as_their_suite_computes_it() -> None:
    suite = Goals("bit_flip", GoalsOptions(n=3))
    environment = suite.environment()
    first: Any = environment.reset(1, {"goal": [1, 1, 1]})
    flips = [int(bit) for bit in np.flatnonzero(first["achieved_goal"] == 0)]
    rewards = [environment.step(np.array(bit)) for bit in flips]
    assert [step.reward for step in rewards] == [-1.0] * (len(flips) - 1) + [0.0]
    assert (rewards[-1].terminated, rewards[-1].extra["success"]) == (True, True)
