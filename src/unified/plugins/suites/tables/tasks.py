"""Tasks of the suites that are one data set each: none."""

from __future__ import annotations

TASKS: tuple[str, ...] = ()
