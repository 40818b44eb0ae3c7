"""Tools to test plugins: conformance checks, probe environments and pytest fixtures.

>>> from unified.testing import conformance   # doctest: +SKIP
>>> test_xyz = conformance("xyz")             # doctest: +SKIP

`conformance` makes one test for each check and component; `unified.testing.probes` has tasks with known values. Importing this package is
fast, since processes of environments import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified.core.base.lazy import lazy_exports

if TYPE_CHECKING:
    from unified.core.learn.traced import Pure
    from unified.testing.check import Check, Failed, Skipped
    from unified.testing.collecting import conformance
    from unified.testing.mixed import Mixed
    from unified.testing.partial import CartPoleWithoutVelocities

_HOMES = {
    "unified.core.learn.traced": ("Pure",),
    "unified.testing.check": ("Check", "Failed", "Skipped"),
    "unified.testing.collecting": ("conformance",),
    "unified.testing.mixed": ("Mixed",),
    "unified.testing.partial": ("CartPoleWithoutVelocities",),
}

__all__ = ["CartPoleWithoutVelocities", "Check", "Failed", "Mixed", "Pure", "Skipped", "conformance"]

__getattr__ = lazy_exports(__name__, _HOMES)
