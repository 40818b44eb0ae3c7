"""One line of the table, and how times are taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured, ours beside theirs in one run; `ratio` is how many times better ours is."""

    what: str
    ours: str
    theirs: str
    ratio: str
    wanted: str


def ratio(what: str, ours: float, theirs: float, unit: str, wanted: float) -> Row:
    """Two rates in one unit."""
    return Row(what, f"{ours:,.3g} {unit}", f"{theirs:,.3g} {unit}", f"{ours / theirs:.1f}×", f"≥ {wanted:g}×")


def rate(work: Callable[[], object], seconds: float = 6.0, warmup: int = 2) -> float:
    """Calls per second: the median of single calls, so that a busy moment of the machine does not count."""
    for _ in range(warmup):
        work()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1.0 / sorted(times)[len(times) // 2]


def alternate(ours: Callable[[], object], theirs: Callable[[], object], seconds: float = 12.0) -> tuple[float, float]:
    """Both rates, measured in turns of a few seconds: what slows the machine down slows both."""
    turns = 3
    rates = [(rate(ours, seconds / turns, 1), rate(theirs, seconds / turns, 1)) for _ in range(turns)]
    return sorted(r[0] for r in rates)[turns // 2], sorted(r[1] for r in rates)[turns // 2]
