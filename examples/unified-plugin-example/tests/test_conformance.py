"""The conformance checks of all components, one test each."""

from __future__ import annotations

from unified.testing import conformance

test_example = conformance("example", level="strict")
