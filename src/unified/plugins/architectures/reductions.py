"""How an ensemble of critics becomes one, as text: ``least``, ``subset(2)``. Torch-free."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Reductions without a number, and with one: its least value.
_PLAIN, _COUNTED = ("least", "average", "mixture"), {"subset": 1, "truncated": 0}


@dataclass(frozen=True)
class Reduction:
    """A reduction: its name, and for ``subset(K)`` and ``truncated(K)`` the number K.

    >>> Reduction.of("subset(2)")
    Reduction(name='subset', count=2)
    """

    name: str
    count: int = 0

    @classmethod
    def of(cls, text: str) -> Reduction:
        """The reduction of a text.

        Raises:
            ValueError: If it is none.
        """
        if text in _PLAIN:
            return cls(text)
        call = re.fullmatch(r"(\w+)\((\d+)\)", text.replace(" ", ""))
        if call is None or call[1] not in _COUNTED or int(call[2]) < _COUNTED[call[1]]:
            raise ValueError(f"must be one of {', '.join(_PLAIN)}, subset(2), truncated(2)")
        return cls(call[1], int(call[2]))
