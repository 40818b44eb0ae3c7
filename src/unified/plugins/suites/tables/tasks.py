"""The suites of single data sets have no tasks."""

from __future__ import annotations

TASKS: tuple[str, ...] = ()
