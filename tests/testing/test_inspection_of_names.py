"""The kit checks suites with named observations, further columns and goals."""

from __future__ import annotations

from unified.testing import conformance

test_mixed = conformance("unified.testing:Mixed")
