"""One line of the table, and how times are taken."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent


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


@dataclass(frozen=True)
class Rates:
    """What was measured in turns: a rate for each.

    Args:
        ours: ``(turns,)``.
        theirs: Likewise; of the same turns.
    """

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """Of each turn, from the least to the greatest."""
        return sorted(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def times(self, factor: float) -> Rates:
        """In another unit."""
        return Rates([factor * rate for rate in self.ours], [factor * rate for rate in self.theirs])

    def row(self, what: str, unit: str, wanted: float) -> Row:
        """The medians; of the ratios too, with the least and the greatest of them."""
        ours, theirs = (f"{median(side):,.3g} {unit}" for side in (self.ours, self.theirs))
        return Row(what, ours, theirs, self.told(), f"≥ {wanted:g}×")

    def told(self, invert: bool = False) -> str:
        """The median of the ratios, with their range; inverted it is how many times as long ours takes.

        >>> Rates([2.0, 3.0, 8.0], [1.0, 1.0, 2.0]).told()
        '3.00× (2.00 to 4.00)'
        """
        ratios = sorted(1 / ratio for ratio in self.ratios) if invert else self.ratios
        return f"{median(ratios):.2f}× ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def in_turns(arms: Mapping[str, Callable[[], float]], theirs: Callable[[], float], turns: int) -> dict[str, Rates]:
    """Each arm of ours beside the same other side, which is measured anew in every turn: what slows the machine down slows all.

    Args:
        arms: Each gives a rate.
        theirs: Gives the other side's, in the same unit.
        turns: How often.
    """
    rates = {name: Rates([], []) for name in arms}
    for _ in range(turns):
        other = theirs()
        for name, arm in arms.items():
            rates[name].ours.append(arm())
            rates[name].theirs.append(other)
    return rates


class NotInstalled(Exception):
    """What is measured beside is not there."""


#: What brings the modules that are measured beside.
PEERS = {"stable_baselines3": "stable-baselines3", "cv2": "opencv-python-headless", "lightning": "lightning"}


def require(*modules: str) -> None:
    """See that modules of the other side can be imported.

    Raises:
        NotInstalled: If one cannot, with what to type.
    """
    if missing := [PEERS[module] for module in modules if find_spec(module) is None]:
        raise NotInstalled(f"the other side is not installed: pip install {' '.join(missing)}")


def printed(program: str, *words: object) -> float:
    """The number that a program of this folder prints last, run in a process of its own.

    Raises:
        SystemExit: If it fails, with the end of what it said.
    """
    command = [sys.executable, str(HERE / program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))
