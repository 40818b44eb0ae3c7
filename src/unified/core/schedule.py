"""Numbers that change over a run, written as text: ``0.1``, ``linear(1.0,0.1,100000)``. Torch-free, so that a config can check them."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

_NUMBER = r"[-+]?\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?"
_CALL = re.compile(r"\s*(?P<name>[a-z_]+)\s*\((?P<arguments>[^()]*)\)\s*")


def _linear(arguments: list[float]) -> Callable[[float], float]:
    if len(arguments) < 3 or len(arguments) % 2 == 0:
        raise ValueError("linear(start,end,steps) or linear(start,end,steps,end,steps,…)")
    # A chain of ramps: start -> end over steps, then to the next end over its steps; the reference's step_linear is the one with two.
    values = [arguments[0], *arguments[1::2]]
    durations = arguments[2::2]
    if any(duration <= 0 for duration in durations):
        raise ValueError("a ramp needs more than 0 steps")

    def value(step: float) -> float:
        for (start, end), duration in zip(pairwise(values), durations, strict=True):
            if step < duration:
                return start + (end - start) * max(step, 0.0) / duration
            step -= duration
        return values[-1]

    return value


_SCHEDULES = {"linear": _linear}


class Schedule:
    """A number as a function of the agent's steps.

    Args:
        text: A constant, or ``linear(start,end,steps)``, further ramps appended as ``,end,steps``.

    Raises:
        ValueError: If the text is neither.

    >>> Schedule("linear(1.0,0.1,100)")(50)
    0.55
    """

    def __init__(self, text: str | float) -> None:
        self.text = str(text)
        self._value = self._parse(self.text)

    @staticmethod
    def _parse(text: str) -> Callable[[float], float]:
        if re.fullmatch(rf"\s*{_NUMBER}\s*", text):
            constant = float(text)
            return lambda step: constant
        call = _CALL.fullmatch(text)
        if call is None or call["name"] not in _SCHEDULES:
            raise ValueError(f"{text!r} is no schedule: write a number or linear(start,end,steps)")
        try:
            arguments = [float(word) for word in call["arguments"].split(",")]
            return _SCHEDULES[call["name"]](arguments)
        except ValueError as error:
            raise ValueError(f"{text!r} is no schedule: {error}") from None

    def __call__(self, step: float) -> float:
        return self._value(step)

    def __repr__(self) -> str:
        return self.text
