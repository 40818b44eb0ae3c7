"""One check, and what it can come to. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Level = Literal["contract", "strict"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Failed(AssertionError):
    """A component breaks its contract.

    Args:
        contract: What the contract says.
        seen: What was seen instead.
        change: What to change, or where to look.
    """

    def __init__(self, contract: str, seen: str, change: str = "") -> None:
        self.contract, self.seen, self.change = contract, seen, change
        said = (("contract", contract), ("seen", seen), ("change", change))
        super().__init__("\n".join(f"{name + ':':<10}{_indented(text)}" for name, text in said if text))


class Skipped(Exception):
    """A check does not apply to this component, for the reason given."""


@dataclass(frozen=True)
class Check:
    """One thing that is asked of components.

    Args:
        kind: Of the components it is for, ``"agents"``; empty for all.
        name: What it is called in reports: the function's.
        level: ``"contract"`` for what everything else relies on, ``"strict"`` for what makes it pleasant.
        function: Called with the component.
    """

    kind: str
    name: str
    level: Level
    function: Callable[[Any], str | None]

    @classmethod
    def of(cls, kind: str, function: Callable[[Any], str | None], level: Level = "contract") -> Check:
        """The check that a function is, by the function's own name."""
        return cls(kind, function.__name__, level, function)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 10)
