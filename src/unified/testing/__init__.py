"""What tests of plugins need: the conformance kit, probe environments and, as a plugin of pytest, fixtures.

>>> from unified.testing import conformance   # doctest: +SKIP
>>> test_xyz = conformance("xyz")             # doctest: +SKIP

`conformance` makes one test of every check and component; `unified.testing.probes` has tasks whose values are known, and
`BitFlip` and `PointReach` are small goal tasks. Importing this package is light: environments in processes of their own pass here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unified.testing.check import Check, Failed, Skipped
    from unified.testing.collecting import conformance
    from unified.testing.goals import BitFlip, PointReach
    from unified.testing.mixed import Mixed
    from unified.testing.partial import CartPoleWithoutVelocities

_HOMES = {
    "BitFlip": "goals",
    "CartPoleWithoutVelocities": "partial",
    "Check": "check",
    "Failed": "check",
    "Mixed": "mixed",
    "PointReach": "goals",
    "Skipped": "check",
    "conformance": "collecting",
}

__all__ = ["BitFlip", "CartPoleWithoutVelocities", "Check", "Failed", "Mixed", "PointReach", "Skipped", "conformance"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unified.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"unified.testing.{_HOMES[name]}"), name)
