"""One row of the table, and how rates are measured."""

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
    """A measurement beside a reference of the same run; `ratio` is how many times better ours is."""

    what: str
    ours: str
    reference: str
    ratio: str
    target: str


def ratio(what: str, ours: float, reference: float, unit: str, target: float) -> Row:
    """A row of two rates in one unit."""
    return Row(what, f"{ours:,.3g} {unit}", f"{reference:,.3g} {unit}", f"{ours / reference:.1f}×", f"≥ {target:g}×")


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


def throughput(work: Callable[[], object], seconds: float) -> float:
    """Calls per second, the mean: the batches of a loader come in bursts, of which a median says nothing."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        work()
        count += 1
    return count / elapsed


def alternate(ours: Callable[[], object], reference: Callable[[], object], seconds: float = 12.0) -> tuple[float, float]:
    """Both rates, measured in turns of a few seconds: what slows the machine down slows both."""
    turns = 3
    rates = [(rate(ours, seconds / turns, 1), rate(reference, seconds / turns, 1)) for _ in range(turns)]
    return sorted(r[0] for r in rates)[turns // 2], sorted(r[1] for r in rates)[turns // 2]


@dataclass(frozen=True)
class Rates:
    """Two rates, measured in turns.

    Attributes:
        ours: ``(turns,)``.
        reference: ``(turns,)``, of the same turns.
    """

    ours: list[float]
    reference: list[float]

    @property
    def ratios(self) -> list[float]:
        """The ratio of each turn, in ascending order."""
        return sorted(ours / reference for ours, reference in zip(self.ours, self.reference, strict=True))

    def scaled(self, factor: float) -> Rates:
        """The rates in another unit."""
        return Rates([factor * rate for rate in self.ours], [factor * rate for rate in self.reference])

    def row(self, what: str, unit: str, target: float) -> Row:
        """The medians of the rates, and the median of the ratios with the smallest and the largest one."""
        ours, reference = (f"{median(rates):,.3g} {unit}" for rates in (self.ours, self.reference))
        return Row(what, ours, reference, self.ratio_text(), f"≥ {target:g}×")

    def ratio_text(self, invert: bool = False) -> str:
        """The median of the ratios, with their range; inverted, how many times as long ours takes.

        >>> Rates([2.0, 3.0, 8.0], [1.0, 1.0, 2.0]).ratio_text()
        '3.00× (2.00 to 4.00)'
        """
        ratios = sorted(1 / ratio for ratio in self.ratios) if invert else self.ratios
        return f"{median(ratios):.2f}× ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def pairs_in_turns(
    arms: Mapping[str, Callable[[], float]], peers: Mapping[str, Callable[[], float]], turns: int
) -> dict[tuple[str, str], Rates]:
    """Measure every arm of ours and every peer once in each turn: what slows the machine down slows all.

    Args:
        arms: Functions that return a rate of ours.
        peers: Functions that return a rate of a reference, in the same unit.
        turns: Number of turns.

    Returns:
        The rates of each pair of an arm and a peer.
    """
    rates = {(arm, peer): Rates([], []) for arm in arms for peer in peers}
    for _ in range(turns):
        references = {peer: run() for peer, run in peers.items()}
        for arm, run in arms.items():
            ours = run()
            for peer, reference in references.items():
                rates[arm, peer].ours.append(ours)
                rates[arm, peer].reference.append(reference)
    return rates


def in_turns(arms: Mapping[str, Callable[[], float]], reference: Callable[[], float], turns: int) -> dict[str, Rates]:
    """Measure every arm of ours beside one reference, as `pairs_in_turns` does."""
    return {arm: rates for (arm, _), rates in pairs_in_turns(arms, {"": reference}, turns).items()}


class NotInstalled(Exception):
    """A reference is not installed."""


#: Module of a reference -> its package.
PACKAGES = {"stable_baselines3": "stable-baselines3", "sbx": "sbx-rl", "cv2": "opencv-python-headless", "lightning": "lightning"}


def require(*modules: str) -> None:
    """Check that the modules of a reference can be imported.

    Raises:
        NotInstalled: If one cannot, with the command that installs it.
    """
    if missing := [PACKAGES[module] for module in modules if find_spec(module) is None]:
        raise NotInstalled(f"the reference is not installed: pip install {' '.join(missing)}")


def printed(program: str, *words: object, env: Mapping[str, str] | None = None) -> float:
    """The number that a program of this folder prints last, in a process of its own.

    Args:
        program: Path below this folder.
        words: Its arguments.
        env: Its environment variables, if they are others than those of this process.

    Raises:
        SystemExit: If it fails, with the end of its error messages.
    """
    command = [sys.executable, str(HERE / program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))
