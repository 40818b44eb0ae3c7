from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from unified.core.base.errors import UsageError
from unified.core.base.rng import Streams
from unified.core.base.spec import Space, Spec
from unified.core.envs.suite import Environment, Suite
from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.views import Rollout, Transitions
from unified.plugins.samplers.hindsight.config import HindsightOptions, shares_of
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


def replay(sampler: Hindsight, capacity: int = 100, suite: Suite | None = None, spec: Spec = SPEC, **view: Any) -> Replay:
    view = {"batch_size": 600, "discount": GAMMA, **view}
    return Replay(spec, Transitions(**view), capacity, 1, Streams(3), sampler=sampler, suite=suite or Asymmetric())


def play(to: Replay, achieved: list[float], desired: float, end: str, **extra: Any) -> None:
    """One episode through these achieved goals; it ends in `terminated`, `truncated`, or not at all (an empty text)."""
    to.begin(0, observed(achieved[0], desired))
    for number, reached in enumerate(achieved[1:], start=2):
        last = number == len(achieved)
        ends = (last and end == "terminated", last and end == "truncated")
        to.add(0, np.zeros(1, np.float32), -1.0, *ends, observed(reached, desired), {"success": False, **extra})


def rows(batch: Batch) -> list[dict[str, float]]:
    names = {"goal": "obs.desired_goal", "next_goal": "next_obs.desired_goal", "achieved": "obs.achieved_goal"}
    columns = {**{name: batch[key][:, 0] for name, key in names.items()}, "reward": batch.reward, "discount": batch.discount}
    return [dict(zip(columns, values, strict=True)) for values in zip(*(column.tolist() for column in columns.values()), strict=True)]


#: The goals of each step of an episode that achieves 1, 2, 3 after its steps.
GOALS: dict[str, dict[int, set[int]]] = {
    "final": {0: {3}, 1: {3}, 2: {3}},
    "future": {0: {1, 2, 3}, 1: {2, 3}, 2: {3}},
    "episode": {0: {1, 2, 3}, 1: {1, 2, 3}, 2: {1, 2, 3}},
}


def check_three_steps(sampler: Hindsight, strategy: str, suite: Suite | None = None) -> None:
    """Goals, rewards and discounts of every row of an episode of three steps between two others."""
    to = replay(sampler, suite=suite)
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
    assert found == GOALS[strategy]


@pytest.mark.parametrize("strategy", GOALS)
def test_goals_rewards_and_discounts_of_a_three_step_episode(strategy: str) -> None:
    """HER: `final` took the last but one; the next observation kept the old goal; the reward swapped the goals; the end was kept."""
    check_three_steps(hindsight(strategy, k=ALWAYS), strategy)


class Swapped(Asymmetric):
    """Stable-Baselines3, changelog: the reward of the achieved goal where the other one was desired."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return super().compute_reward(desired, achieved)


class LastButOne(Hindsight):
    """Stable-Baselines3 847, stable-baselines 666: `final` is what was achieved before the last step."""

    def _goals(self, strategy: str, store: Any, view: Any, index: Any, generator: Any) -> Any:
        return store.data["obs.achieved_goal"][store.index(index // store.length, store.episodes(index)[1] - 1)]


class NotItsOwn(Hindsight):
    """`future` from the step after this one, so that no row ever reaches its goal."""

    def _goals(self, strategy: str, store: Any, view: Any, index: Any, generator: Any) -> Any:
        last = store.episodes(index)[1]
        later = generator.integers(np.minimum(store.slot(index) + 2, last), last + 1)
        return store.data["obs.achieved_goal"][store.index(index // store.length, later)]


class AnyEpisode(Hindsight):
    """Goals of the ring's slots that follow, whosever episode they are."""

    def _goals(self, strategy: str, store: Any, view: Any, index: Any, generator: Any) -> Any:
        slot = store.slot(index)
        return store.data["obs.achieved_goal"][store.index(0, generator.integers(slot + 1, store.head[0]))]


class OldNextGoal(Hindsight):
    """The next observation keeps the old goal."""

    def relabel(self, batch: Batch, *rest: Any) -> Batch:
        kept = batch["next_obs.desired_goal"].clone()
        return super().relabel(batch, *rest).with_columns(**{"next_obs.desired_goal": kept})


class OldEnd(Hindsight):
    """Stable-Baselines3 627, rlkit 96, Gymnasium-Robotics 16: reward relabelled, and the end not."""

    def relabel(self, batch: Batch, *rest: Any) -> Batch:
        kept = batch["discount"].clone()
        return super().relabel(batch, *rest).with_columns(discount=kept)


class FirstReward(Hindsight):
    """An n-step return of which only the first reward is relabelled."""

    def _returns(self, store: Any, view: Any, index: Any, goal: Any, own: Any) -> Any:
        first = self.suite.compute_reward(store.data["obs.achieved_goal"][store.index(0, store.slot(index) + 1)], goal)
        return (first - GAMMA).astype(np.float32), super()._returns(store, view, index, goal, own)[1]


@pytest.mark.parametrize("wrong", [LastButOne, NotItsOwn, AnyEpisode, OldNextGoal, OldEnd])
def test_the_three_steps_tell_a_mistake(wrong: type[Hindsight]) -> None:
    """HER: each mistake of another implementation fails the test above."""
    strategy = "final" if wrong is LastButOne else "future"
    with pytest.raises(AssertionError):
        check_three_steps(wrong(HindsightOptions(strategy=strategy, k=ALWAYS)), strategy)


def test_the_three_steps_tell_swapped_goals() -> None:
    """HER: achieved and desired swapped in the reward, which a symmetric distance hides."""
    with pytest.raises(AssertionError):
        check_three_steps(hindsight("future", k=ALWAYS), "future", Swapped())


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


def check_n_steps(sampler: Hindsight) -> None:
    """Rows of three steps against a loop over their steps."""
    to = replay(sampler, n_step=3)
    play(to, [0, 1, 2, 3, 4], 99, "truncated")
    for row in rows(to.sample()):
        at, goal, reward, weight = int(row["achieved"]), row["goal"], 0.0, 1.0
        for after in range(at + 1, min(at + 3, 4) + 1):
            reward, weight = reward + weight * (after - 10 * goal), weight * GAMMA
            if after == goal:
                weight = 0.0
                break
        assert (row["reward"], row["discount"]) == (reward, weight)


def test_all_rewards_of_an_n_step_return_are_relabelled_up_to_the_new_end() -> None:
    """HER: n-step returns with the rewards of the old goal."""
    check_n_steps(hindsight("episode", k=ALWAYS))
    with pytest.raises(AssertionError):
        check_n_steps(FirstReward(HindsightOptions(strategy="episode", k=ALWAYS)))


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


def test_goals_of_the_steps_that_follow_are_relabelled_too() -> None:
    """SPR and its like read the steps after a row: with the row's goal."""
    to = replay(hindsight("final", k=1), future_steps=2, stack=2)
    play(to, [0, 1, 2, 3], 99, "truncated")
    batch = to.sample()
    goals = batch["obs.desired_goal"][:, :1]
    assert {3.0, 99.0} == set(goals[:, 0].tolist())
    assert (batch["future_obs.desired_goal"] == goals[:, :, None]).all()


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


# Goals of other episodes


def two_episodes(sampler: Hindsight, actual: bool = False, **view: Any) -> Replay:
    """Two episodes with goals 30 and 40; with the column `actual_goal`, a chooser has set them where the task had 31 and 41."""
    spec = replace(SPEC, columns={**SPEC.columns, "actual_goal": ONE}) if actual else SPEC
    to = replay(sampler, spec=spec, **view)
    for first, goal in ((0, 30), (10, 40)):
        extra = {"actual_goal": np.array([goal + 1], np.float32)} if actual else {}
        play(to, [first, first + 1, first + 2], goal, "truncated", **extra)
    return to


@pytest.mark.parametrize(
    ("strategy", "actual", "goals"),
    [
        ("random", False, {1, 2, 11, 12}),
        ("achieved", False, {1, 2, 11, 12}),
        ("actual", False, {30, 40}),
        ("actual", True, {31, 41}),
        ("behavioural", False, {30, 40}),
        ("behavioural", True, {30, 40}),
    ],
)
def test_goals_of_the_whole_replay(strategy: str, actual: bool, goals: set[int]) -> None:
    """The first state of an episode was achieved by no step. With a goal chooser, the pursued goal and the task's are not the same."""
    batch = two_episodes(hindsight(strategy, k=ALWAYS), actual).sample()
    for at in (0, 1, 10, 11):
        found = [row for row in rows(batch) if row["achieved"] == at]
        assert {row["goal"] for row in found} == goals
        assert all(row["reward"] == at + 1 - 10 * row["goal"] and row["next_goal"] == row["goal"] for row in found)


def test_a_discarded_episode_gives_no_goals() -> None:
    to = two_episodes(hindsight("rfaab_0_0_1_1_1"))
    play(to, [70, 71, 72], 79, "")
    to.discard(0)
    assert {row["goal"] for row in rows(to.sample())} == {1, 2, 11, 12, 30, 40}


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("future", {"future": 4 / 5}),
        ("final_2", {"final": 2 / 3}),
        ("futureactual_2_2", {"future": 2 / 5, "actual": 2 / 5}),
        ("futureachieved_4_1", {"future": 4 / 6, "random": 1 / 6}),
        ("rfaa_1_4_3_1", {"future": 4 / 9, "actual": 3 / 9, "random": 1 / 9}),
        ("rfaab_1_4_3_1_1", {"future": 4 / 10, "actual": 3 / 10, "random": 1 / 10, "behavioural": 1 / 10}),
        ("rfaab_0_0_0_0_1", {"behavioural": 1.0}),
    ],
)
def test_the_weights_of_a_mixture_are_shares(name: str, shares: dict[str, float]) -> None:
    assert {kind: share for kind, share in shares_of(name).items() if share} == pytest.approx(shares)


def test_shares_over_ten_thousand_draws() -> None:
    """Sources are told apart by their goals: the row's own 99, achieved in the second half of its episode, the task's, anybody's."""
    to = replay(
        hindsight("rfaab_1_4_3_1_1"), spec=replace(SPEC, columns={**SPEC.columns, "actual_goal": ONE}), batch_size=10_000, capacity=3000
    )
    for episode in range(200):
        play(to, [3 * episode, 3 * episode + 1, 3 * episode + 2], 1000 + episode, "truncated", actual_goal=np.array([5000.0]))
    counts = dict.fromkeys(("own", "future", "actual", "random", "behavioural"), 0)
    for row in rows(to.sample()):
        episode, goal = int(row["achieved"]) // 3, int(row["goal"])
        if goal == 5000:
            counts["actual"] += 1
        elif goal >= 1000:
            counts["own" if goal == 1000 + episode else "behavioural"] += 1
        else:
            counts["future" if goal // 3 == episode else "random"] += 1
    for kind, share in {"own": 0.1, "future": 0.4, "actual": 0.3, "random": 0.1, "behavioural": 0.1}.items():
        share += {"own": 0.1, "behavioural": -0.1, "future": 0.1, "random": -0.1}.get(kind, 0.0) / 200  # of 200 episodes, its own
        assert abs(counts[kind] / 10_000 - share) <= 3 * np.sqrt(share * (1 - share) / 10_000), kind


def test_in_the_warm_up_every_row_has_a_future_goal() -> None:
    to = replay(hindsight("behavioural_1", warm_up=4))
    play(to, [0, 1, 2, 3], 99, "truncated")
    assert {row["goal"] for row in rows(to.sample())} == {1, 2, 3}
    assert to.sampler.state_dict()["steps"] == 3
    play(to, [10, 11], 98, "truncated")  # the fourth step
    assert {row["goal"] for row in rows(to.sample())} == {98, 99}


def test_the_warm_up_goes_on_after_a_restore(tmp_path: Path) -> None:
    """The steps so far are in the state, and not counted anew from the rows that the ring still holds."""
    first, second = (replay(hindsight("behavioural_1", warm_up=25), capacity=20) for _ in range(2))
    for episode in range(7):
        play(first, [4 * episode + step for step in range(4)], 99, "truncated")
    second.restore(tmp_path, first.flush(tmp_path))
    second.load_state_dict(first.state_dict())
    for to in (first, second):
        play(to, [70, 71, 72, 73, 74], 99, "truncated")
    assert {row["goal"] for row in rows(first.sample())} == {99.0}
    second.streams.load_state_dict(Streams(3).state_dict())
    assert {row["goal"] for row in rows(second.sample())} == {99.0}


# When rows end


class Sparse(Asymmetric):
    """0 where the goal is reached, else -1 (`shift` -1), or 1 and 0; nothing terminates by a goal."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return (achieved == desired)[:, 0] + self.shift

    def compute_terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return np.zeros(len(achieved), bool)


@pytest.mark.parametrize("shift", [-1.0, 0.0])
@pytest.mark.parametrize("ends", ["environment", "first_visit", "never_done"])
@pytest.mark.parametrize("n_step", [1, 3])
def test_ends_against_a_loop(shift: float, ends: str, n_step: int) -> None:
    """Every row, relabelled or not, with rewards of -1 and 0 or of 0 and 1; the second episode ends in a crash."""
    to = replay(hindsight("episode", k=1, ends=ends), suite=Sparse(shift), n_step=n_step, batch_size=2000)
    play(to, [0, 1, 2, 1, 4], 2, "truncated")
    play(to, [10, 11, 12], 19, "terminated")
    episodes = {0: [0, 1, 2, 1, 4], 1: [10, 11, 12]}
    seen = set()
    batch = to.sample()
    for row, slot in zip(rows(batch), batch.index.tolist(), strict=True):
        number, at = (0, slot) if slot < 5 else (1, slot - 5)
        achieved, goal = episodes[number], row["goal"]
        own = goal == (2, 19)[number]  # 2 is achieved too, with the rewards of Sparse and not with those that were stored
        rewards, discount = [], 1.0
        for step in range(at + 1, min(at + n_step, len(achieved) - 1) + 1):
            rewards.append(discount * ((achieved[step] == goal) + shift))
            discount *= GAMMA
            crashed = number == 1 and step == 2
            if ends == "first_visit" and achieved[step] == goal:
                discount = 0.0
                break
            if crashed and ends != "never_done":
                discount = 0.0
        stored = sum(-1.0 * GAMMA**k for k in range(len(rewards)))
        if not own or ends != "environment":
            assert row["discount"] == discount, (slot, goal)
        assert row["reward"] == pytest.approx(sum(rewards)) or (own and row["reward"] == pytest.approx(stored))
        seen.add((number, at, goal))
    assert len(seen) == 4 * 3 + 2 * 3


def test_a_goal_that_moves_within_an_episode_explains_its_end_where_it_was() -> None:
    """Mazes with reset_target: the goal of a step, and not of the row's first one, says why that step was terminal."""
    to = replay(hindsight("future", k=ALWAYS), n_step=2)
    to.begin(0, observed(0, 50))
    to.add(0, np.zeros(1, np.float32), -1.0, False, False, observed(1, 2), {"success": False})
    to.add(0, np.zeros(1, np.float32), -1.0, True, False, observed(2, 2), {"success": True})
    ended = {(row["achieved"], row["goal"]): row["discount"] for row in rows(to.sample())}
    assert ended == {(0, 1): 0.0, (0, 2): 0.0, (1, 2): 0.0}
    other = replay(hindsight("random", k=ALWAYS), n_step=2)
    other.begin(0, observed(0, 50))
    other.add(0, np.zeros(1, np.float32), -1.0, False, False, observed(1, 2), {"success": False})
    other.add(0, np.zeros(1, np.float32), -1.0, True, False, observed(2, 2), {"success": True})
    play(other, [7, 8], 9, "truncated")
    assert {row["discount"] for row in rows(other.sample()) if (row["achieved"], row["goal"]) == (0, 8)} == {GAMMA**2}


# Priorities


def test_priorities_belong_to_rows_whatever_their_goals() -> None:
    to = replay(hindsight("future", k=4, prioritised=1.0), batch_size=10_000)
    play(to, [0, 1, 2], 99, "truncated")
    to.update_priorities(torch.tensor([0, 1]), torch.tensor([1.0, 3.0]))
    batch = to.sample()
    counts = np.bincount(batch.index.numpy())
    assert abs(counts[1] / 10_000 - 0.75) <= 3 * np.sqrt(0.75 * 0.25 / 10_000)
    assert {round(weight, 4) for weight in batch.weight.tolist()} == {round((1 / 3) ** 0.4, 4), 1.0}
    own = np.array([row["goal"] == 99 for row in rows(batch)])
    for slot in (0, 1):  # the share of own goals is that of any row
        share = own[batch.index.numpy() == slot].mean()
        assert abs(share - 0.2) <= 3 * np.sqrt(0.2 * 0.8 / counts[slot])


def test_prioritised_rows_go_on_the_same_after_a_restore(tmp_path: Path) -> None:
    first, second = (replay(hindsight("rfaab_1_4_3_1_1", prioritised=0.6), batch_size=64) for _ in range(2))
    for episode in range(5):
        play(first, [4 * episode + step for step in range(4)], 99, "truncated")
    first.update_priorities(torch.arange(0, 15, 4), torch.tensor([1.0, 5.0, 0.1, 2.0]))
    second.restore(tmp_path, first.flush(tmp_path))
    second.load_state_dict(first.state_dict())
    second.streams.load_state_dict(first.streams.state_dict())
    one, other = first.sample(), second.sample()
    assert all(torch.equal(one[name], other[name]) for name in one)


# What is refused


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"strategy": "futur"}, "there is no strategy 'futur'"),
        ({"strategy": "rfaab_1_4"}, "rfaab_1_4 has 2 weights, and rfaab takes 5"),
        ({"strategy": "futureactual"}, "futureactual has 0 weights, and futureactual takes 2"),
        ({"strategy": "futureactual_2_x"}, "the weights of futureactual_2_x must be numbers from 0"),
        ({"strategy": "rfaa_0_0_0_0"}, "must be numbers from 0, not all 0"),
        ({"strategy": "futureactual_2_2", "k": 4}, "k is for strategies without weights"),
        ({"priority_beta": "0.5"}, "priority_beta is of prioritised rows"),
    ],
)
def test_a_wrong_strategy_says_what_is_right(options: dict[str, Any], answer: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(answer)):
        HindsightOptions(**options)


class OneForAll(Asymmetric):
    """A norm without an axis: one number for all rows."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return -np.linalg.norm(achieved - desired)


def test_a_reward_of_all_rows_together_is_refused_before_the_start() -> None:
    """HER: one reward for the whole batch, which NumPy gives to every row."""
    with pytest.raises(UsageError, match=r"OneForAll.compute_reward must return one value for each row of goals, shape \(2,\)"):
        replay(hindsight("future"), suite=OneForAll())
