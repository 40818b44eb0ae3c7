"""The tasks, in a module without imports, so that listing them is fast."""

from __future__ import annotations

TASKS = ("dock", "reach")
