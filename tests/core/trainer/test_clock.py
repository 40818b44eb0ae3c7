"""What is due, and when."""

from __future__ import annotations

import pytest

from unified.core.trainer.clock import Clock


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("environments", [1, 4])
def test_updates_follow_steps_not_environments(ratio: float, environments: int) -> None:
    clock = Clock(updates_per_step=ratio)
    updates = 0
    while clock.steps < 400:
        clock.advance(environments, learning=True)
        updates += clock.pop_pending_updates()
    assert updates == 400 * ratio


def test_nothing_is_owed_for_the_time_before_learning() -> None:
    clock = Clock(updates_per_step=1.0, learn_after=100)
    for _ in range(100):
        clock.advance(1, learning=True)
    assert clock.pop_pending_updates() == 0
    clock.advance(1, learning=False)  # not enough rows yet
    assert clock.pop_pending_updates() == 0
    clock.advance(1, learning=True)
    assert clock.pop_pending_updates() == 1


def test_a_loaded_clock_goes_on_without_a_burst() -> None:
    clock = Clock(action_repeat=2, updates_per_step=0.4)
    for _ in range(11):
        clock.advance(1, learning=True)
        clock.pop_pending_updates()
    other = Clock(action_repeat=2, updates_per_step=0.4)
    other.load_state_dict(clock.state_dict())
    for some in (clock, other):
        some.advance(1, learning=True)
    assert (other.steps, other.frames, other.pop_pending_updates()) == (12, 24, clock.pop_pending_updates())
    assert other.state_dict()["credit"] == clock.state_dict()["credit"]


def test_updates_come_all_at_once_for_the_steps_that_were_gathered() -> None:
    clock = Clock(updates_per_step=0.5, learn_every=8)
    owed = []
    for _ in range(12):
        clock.advance(2, learning=True)
        owed.append(clock.pop_pending_updates())
    assert owed == [0, 0, 0, 4] * 3


@pytest.mark.parametrize("budget", [{"updates": 3}, {"updates": 4}, {"frames": 1}, {}])
def test_no_budget_cuts_what_is_owed_at_once(budget: dict[str, int]) -> None:
    clock = Clock(updates_per_step=0.5, learn_every=8, **budget)
    clock.advance(8, learning=True)
    assert clock.pop_pending_updates() == 4
    clock.updates += 4
    assert clock.done == bool(budget)


def test_what_was_taken_and_not_done_is_owed_again() -> None:
    clock = Clock(updates_per_step=4.0)
    clock.advance(1, learning=True)
    taken = clock.pop_pending_updates()
    clock.updates += 1
    clock.refund(taken - clock.updates)
    assert (clock.updates, clock.pop_pending_updates(), clock.pop_pending_updates()) == (1, 3, 0)


def test_duties_come_once_a_period_and_at_the_start_where_asked() -> None:
    clock = Clock(action_repeat=2, every={"evaluate": 10, "log": 10, "checkpoint": 0})
    clock.expect_at_start("evaluate")
    assert clock.due("evaluate")
    assert not clock.due("log")
    clock.mark_done("evaluate")
    seen = []
    for _ in range(20):
        clock.advance(1, learning=False)
        if clock.due("evaluate"):
            clock.mark_done("evaluate")
            seen.append(clock.frames)
    assert seen == [10, 20, 30, 40]
    clock.mark_done("checkpoint")
    assert clock.due("log")
    assert not clock.due("checkpoint")


def test_a_duty_that_is_done_beside_its_period_is_due_as_before() -> None:
    """At the end of a budget everything is done once more: a longer budget then goes on as it would have."""
    plain, ended = Clock(every={"log": 10}), Clock(every={"log": 10})
    for clock in (plain, ended):
        clock.advance(14, learning=False)
        clock.mark_done("log")
    ended.advance(1, learning=False)
    ended.mark_done("log")
    plain.advance(1, learning=False)
    due = []
    for clock in (plain, ended):
        clock.advance(4, learning=False)
        due.append(clock.due("log"))
        clock.advance(1, learning=False)
        due.append(clock.due("log"))
    assert due == [False, True] * 2


def test_budgets_the_first_reached_ends() -> None:
    assert not Clock().done
    clock = Clock(action_repeat=4, frames=40, updates=100)
    clock.advance(9, learning=True)
    clock.updates += clock.pop_pending_updates()
    assert not clock.done
    assert clock.progress == pytest.approx(0.9)
    clock.advance(1, learning=True)
    assert clock.done
    clock = Clock(updates=3, frames=1000)
    clock.advance(3, learning=True)
    clock.updates += clock.pop_pending_updates()
    assert clock.done


@pytest.mark.parametrize("epochs", [1, 2.5])
def test_epochs_are_frames_of_a_data_set(epochs: float) -> None:
    clock = Clock(action_repeat=7, rows=10, epochs=epochs, frames=1000)
    while not clock.done:
        clock.advance(1, learning=True)
    assert 10 * epochs <= clock.frames < 10 * epochs + 7


@pytest.mark.parametrize(
    ("before", "after", "wanted"), [(50, 500, [1500, 2000]), (500, 50, [1050, 1100, 1150]), (0, 500, [1000, 1500]), (300, 0, [])]
)
def test_a_period_that_is_changed_holds_from_there_on(before: int, after: int, wanted: list[int]) -> None:
    def happened(clock: Clock, frames: int) -> list[int]:
        found = []
        while clock.frames < frames:
            clock.advance(1, learning=False)
            if clock.due("checkpoint"):
                clock.mark_done("checkpoint")
                found.append(clock.frames)
        return found

    clock, resumed = Clock(every={"checkpoint": before}), Clock(every={"checkpoint": after})
    happened(clock, 999)
    clock.advance(1, learning=False)
    if before:
        clock.mark_done("checkpoint")  # at the end of a run
    resumed.load_state_dict(clock.state_dict())
    if not before:
        assert resumed.due("checkpoint")  # the last one was at 0
        return
    assert happened(resumed, 2000)[: len(wanted)] == wanted
