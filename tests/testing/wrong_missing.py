"""What needs a package that is not installed."""

from __future__ import annotations

import a_package_that_is_missing  # noqa: F401
