"""Every component against its contract, one test for each check."""

from __future__ import annotations

from unified.testing import conformance

test_example = conformance("example", level="strict")
