"""The tasks, by name. In a module of their own: whoever lists them needs nothing else."""

from __future__ import annotations

TASKS = ("dock", "reach")
