"""Every built-in against its contract, at the strict level."""

from __future__ import annotations

import pytest

from unified.testing import conformance

# humanoid_run, three episodes of 500 steps drawn in software
test_core = conformance("core", level="strict", marks={"suite:dmc-*": pytest.mark.slow})
