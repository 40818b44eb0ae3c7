"""Numbers that change over a run, written as text: ``0.1``, ``linear(1.0,0.1,100000)``, ``cosine(1.0,0.0,20000)``.

Imports no torch, so that configurations can validate them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise

_NUMBER = r"[-+]?\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?"
_CALL = re.compile(r"\s*(?P<name>[a-z_]+)\s*\((?P<arguments>[^()]*)\)\s*")


def _linear(start: float, end: float, step: float, duration: float) -> float:
    return start + (end - start) * step / duration


def _cosine(start: float, end: float, step: float, duration: float) -> float:
    """Half a wave, flat at both ends. Loshchilov & Hutter 2017, equation 5."""
    return start + (end - start) * (1.0 - math.cos(math.pi * step / duration)) / 2


#: Interpolations by name.
_RAMPS = {"linear": _linear, "cosine": _cosine}


def _chain(name: str, arguments: list[float], span: float | None) -> Callable[[float], float]:
    if len(arguments) == 2 and span is not None:
        arguments = [*arguments, span]
    if len(arguments) < 3 or len(arguments) % 2 == 0:
        raise ValueError(f"{name}(start,end,steps) or {name}(start,end,steps,end,steps,…)")
    if not all(map(math.isfinite, arguments)):
        raise ValueError("its numbers are finite")
    # Ramps in sequence: start -> end over steps, then to the next end over its steps.
    values = [arguments[0], *arguments[1::2]]
    durations = arguments[2::2]
    if any(duration <= 0 for duration in durations):
        raise ValueError("a ramp needs more than 0 steps")

    def value(step: float) -> float:
        for (start, end), duration in zip(pairwise(values), durations, strict=True):
            if step < duration:
                return _RAMPS[name](start, end, max(step, 0.0), duration)
            step -= duration
        return values[-1]

    return value


class Schedule:
    """A number as a function of steps or updates.

    Args:
        text: A constant, ``linear(start,end,steps)`` or ``cosine(start,end,steps)``; further ramps are appended as ``,end,steps``.
        span: Steps of a ramp without steps, ``linear(start,end)``, where it may stand: the budget of the run (`Builder.schedule`).

    Raises:
        ValueError: If the text is no schedule.

    >>> Schedule("linear(1.0,0.1,100)")(50)
    0.55
    >>> Schedule("linear(1,0)", span=200)(50)
    0.75
    >>> warm_up = Schedule("cosine(0,1,100,0,1000)")
    >>> warm_up(0), warm_up(100), warm_up(1100)
    (0.0, 1.0, 0.0)
    """

    def __init__(self, text: str | float, span: float | None = None) -> None:
        self.text = str(text)
        self._value, ends = self._parse(self.text, span)
        #: Lowest value.
        self.least = min(ends)
        #: Whether it is a ramp over the budget.
        self.over_budget = self.text.count(",") == 1

    @staticmethod
    def _parse(text: str, span: float | None) -> tuple[Callable[[float], float], list[float]]:
        if re.fullmatch(rf"\s*{_NUMBER}\s*", text):
            constant = float(text)
            return (lambda step: constant), [constant]
        call = _CALL.fullmatch(text)
        if call is None or call["name"] not in _RAMPS:
            raise ValueError(f"{text!r} is no schedule: write a number, linear(start,end,steps) or cosine(start,end,steps)")
        try:
            arguments = [float(word) for word in call["arguments"].split(",")]
            return _chain(call["name"], arguments, span), [arguments[0], *arguments[1::2]]
        except ValueError as error:
            raise ValueError(f"{text!r} is no schedule: {error}") from None

    def __call__(self, step: float) -> float:
        """The number at a step. A step with a method `scheduled` computes it by that method (`unified.core.learn.traced`)."""
        scheduled = getattr(step, "scheduled", None)
        number: float = self._value(step) if scheduled is None else scheduled(self._value)
        return number

    def __repr__(self) -> str:
        return self.text
