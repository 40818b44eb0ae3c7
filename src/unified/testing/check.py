"""A conformance check and its outcomes. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Level = Literal["contract", "strict"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Failed(AssertionError):
    """A component violates its contract.

    Args:
        contract: The contract.
        seen: What was observed.
        change: How to fix it.
    """

    def __init__(self, contract: str, seen: str, change: str = "") -> None:
        self.contract, self.seen, self.change = contract, seen, change
        parts = (("contract", contract), ("seen", seen), ("change", change))
        super().__init__("\n".join(f"{name + ':':<10}{_indented(text)}" for name, text in parts if text))


class Skipped(Exception):
    """A check does not apply to a component; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """A conformance check.

    Args:
        kind: Kind of components, ``"agents"``; empty for all.
        name: Name of the function.
        level: ``"contract"`` for what everything else relies on, ``"strict"`` for documentation and import time.
        function: Called with the component.
    """

    kind: str
    name: str
    level: Level
    function: Callable[[Any], str | None]

    @classmethod
    def of(cls, kind: str, function: Callable[[Any], str | None], level: Level = "contract") -> Check:
        """Make a check from a function."""
        return cls(kind, function.__name__, level, function)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 10)
