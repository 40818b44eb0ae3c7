"""Vectors of environments, each in a process of its own or in this one, with the same results bit for bit. NumPy only, never torch."""

from __future__ import annotations

from unified.core.environment.reference import SuiteReference
from unified.core.environment.steps import Steps
from unified.core.environment.vector import Vector

__all__ = ["Steps", "SuiteReference", "Vector"]
