"""Averages between logs."""

from __future__ import annotations

import pytest
import torch

from unified.core.trainer.meter import Meter, Stopwatch


def row(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def test_means_of_each_metric_over_the_updates_that_reported_it() -> None:
    meter = Meter()
    meter.add(row(a=1, b=10))
    meter.add(row(a=3))
    meter.add(row(c=5, a=5))
    assert meter.take() == {"a": 3.0, "b": 10.0, "c": 5.0}
    assert meter.take() == {}


def test_non_finite_values_are_left_out_and_counted() -> None:
    meter = Meter()
    meter.add(row(loss=1, nonfinite=0))
    meter.add(row(loss=float("nan"), nonfinite=1))
    meter.add(row(loss=float("inf"), nonfinite=1))
    assert meter.take() == {"loss": 1.0, "nonfinite": 2.0}


def test_episodes_with_spread() -> None:
    meter = Meter()
    meter.add_episode(1.0, 10)
    meter.add_episode(3.0, 20)
    taken = meter.take()
    assert taken["return"] == 2.0
    assert taken["return_sd"] == pytest.approx(2**0.5)
    assert taken["length"] == 15


def test_the_share_of_successful_episodes_of_tasks_that_say_so() -> None:
    meter = Meter()
    for success in (1.0, 0.0, 1.0, 1.0):
        meter.add_episode(0.0, 5, success=success)
    assert meter.take()["success"] == 0.75
    meter.add_episode(0.0, 5)
    meter.add_episode(1.0, 5, "one", 1.0)
    meter.add_episode(1.0, 5, "other")
    taken = meter.take()
    assert {name for name in taken if name.startswith("success")} == {"success/one"}


def test_state_goes_on_the_same() -> None:
    meter, other = Meter(), Meter()
    meter.add(row(a=1))
    meter.add_episode(2.0, 3, success=1.0)
    other.load_state_dict(meter.state_dict())
    for some in (meter, other):
        some.add(row(a=2, b=1))
    assert meter.take() == other.take()


def test_it_does_not_matter_when_it_was_saved() -> None:
    """Sums round by the order they are made in: a run that is saved more often says the same."""
    rows = [row(loss=0.1 * number) for number in range(200)]
    straight, saved = Meter(), Meter()
    for number, each in enumerate(rows):
        straight.add(each)
        saved.add(each)
        if number % 7 == 0:
            state, saved = saved.state_dict(), Meter()
            saved.load_state_dict(state)
    assert saved.take() == straight.take()


def test_phases_that_take_turns() -> None:
    meter = Meter()
    for number in range(150):
        meter.add(row(a=number, b=2 * number) if number % 2 else row(a=number))
    assert meter.take() == {"a": 74.5, "b": 150.0}


def test_names_in_any_order_and_numbers_of_any_type_are_the_same_rows() -> None:
    """The rows that a checkpoint holds: sorted names, each value as float32, without its graph."""
    meter = Meter()
    meter.add({"b": torch.tensor(2.0, requires_grad=True), "a": torch.tensor(3, dtype=torch.int64)})
    meter.add({"a": torch.tensor(0.1, dtype=torch.float64), "b": torch.tensor(0.5, dtype=torch.bfloat16)})
    (rows,) = meter.state_dict()["rows"]
    assert rows["names"] == ["a", "b"]
    assert torch.equal(rows["values"], torch.tensor([[3.0, 2.0], [0.1, 0.5]]))
    assert not rows["values"].requires_grad


def test_a_metric_that_is_overwritten_after_its_update_counts_as_it_was() -> None:
    meter, value = Meter(), torch.tensor(1.0)
    meter.add({"a": value})
    value.fill_(7.0)
    assert meter.take() == {"a": 1.0}


def test_it_goes_on_where_metrics_come_from() -> None:
    meter, other = Meter(), Meter()
    meter.add(row(a=1))
    other.load_state_dict(meter.state_dict(), "meta")
    other.add({"a": torch.tensor(2.0, device="meta")})
    (rows,) = other.state_dict()["rows"]
    assert rows["values"].shape == (2, 1)


def test_time_of_a_context_that_a_reading_interrupts_counts_after_it() -> None:
    watch = Stopwatch()
    with watch.measure("env"):
        assert set(watch.take()[1]) == {"other"}
    assert "env" in watch.take()[1]


def test_shares_add_up_to_one() -> None:
    watch = Stopwatch()
    with watch.measure("env"):
        pass
    _, shares = watch.take()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert set(shares) == {"env", "other"}
