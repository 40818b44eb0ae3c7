"""What is due, and when."""

from __future__ import annotations

import pytest

from unified.core.trainer.clock import Clock


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("environments", [1, 4])
def test_updates_follow_steps_not_environments(ratio: float, environments: int) -> None:
    clock = Clock(updates_per_step=ratio)
    while clock.steps < 400:
        clock.advance(environments, learning=True)
        clock.take_updates()
    assert clock.updates == 400 * ratio


def test_nothing_is_owed_for_the_time_before_learning() -> None:
    clock = Clock(updates_per_step=1.0, learn_after=100)
    for _ in range(100):
        clock.advance(1, learning=True)
    assert clock.take_updates() == 0
    clock.advance(1, learning=False)  # not enough rows yet
    assert clock.take_updates() == 0
    clock.advance(1, learning=True)
    assert clock.take_updates() == 1


def test_a_loaded_clock_goes_on_without_a_burst() -> None:
    clock = Clock(action_repeat=2, updates_per_step=0.4)
    for _ in range(11):
        clock.advance(1, learning=True)
        clock.take_updates()
    other = Clock(action_repeat=2, updates_per_step=0.4)
    other.load_state_dict(clock.state_dict())
    for some in (clock, other):
        some.advance(1, learning=True)
    assert (other.steps, other.frames, other.take_updates()) == (12, 24, clock.take_updates())
    assert other.updates == clock.updates


def test_duties_come_once_a_period_and_at_the_start_where_asked() -> None:
    clock = Clock(action_repeat=2)
    clock.expect_at_start("evaluate")
    assert clock.due("evaluate", 10)
    assert not clock.due("log", 10)
    clock.did("evaluate", 10)
    seen = []
    for _ in range(20):
        clock.advance(1, learning=False)
        if clock.due("evaluate", 10):
            clock.did("evaluate", 10)
            seen.append(clock.frames)
    assert seen == [10, 20, 30, 40]
    assert not clock.due("evaluate", 0)


def test_budgets_the_first_reached_ends() -> None:
    assert not Clock().done
    clock = Clock(action_repeat=4, frames=40, updates=100)
    clock.advance(9, learning=True)
    clock.take_updates()
    assert not clock.done
    assert clock.progress == pytest.approx(0.9)
    clock.advance(1, learning=True)
    assert clock.done
    clock = Clock(updates=3, frames=1000)
    clock.advance(3, learning=True)
    clock.take_updates()
    assert clock.done
