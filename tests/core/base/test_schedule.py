"""Schedules against their formula."""

from __future__ import annotations

import math

import pytest

from unified.core.base.schedule import Schedule


@pytest.mark.parametrize(
    ("text", "step", "value"),
    [
        ("0.3", 10**9, 0.3),
        ("1e-4", 0, 1e-4),
        ("linear(1.0,0.1,100)", 0, 1.0),
        ("linear(1.0,0.1,100)", 50, 0.55),
        ("linear(1.0,0.1,100)", 100, 0.1),
        ("linear(1.0,0.1,100)", 10**9, 0.1),
        ("linear( 1, 0.5, 10, 0, 10 )", 5, 0.75),
        ("linear(1,0.5,10,0,10)", 15, 0.25),
        ("linear(1,0.5,10,0,10)", 99, 0.0),
        ("cosine(1,0,100)", 0, 1.0),
        ("cosine(1,0,100)", 25, 0.5 * (1 + math.cos(math.pi / 4))),
        ("cosine(1,0,100)", 50, 0.5),
        ("cosine(1,0,100)", 101, 0.0),
        ("cosine(0,1,10,0.2,20)", 5, 0.5),
        ("cosine(0,1,10,0.2,20)", 20, 0.6),
        ("cosine(0,1,10,0.2,20)", 10**6, 0.2),
    ],
)
def test_values(text: str, step: int, value: float) -> None:
    assert Schedule(text)(step) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "liner(1,0,10)", "linear(1,0)", "linear(1,0,0)", "linear(1,0,10,3)", "cosine(1,0)", "cosine(1,0,-5)", "linear(a,b,c)"),
        "__import__('os')",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no schedule"):
        Schedule(text)
