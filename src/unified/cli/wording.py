"""Texts that several commands print."""

from __future__ import annotations

from unified.core.base.errors import UnifiedError
from unified.core.components.descriptors import Origin, SuiteComponent
from unified.core.registry import CORE

SEPARATOR = " · "


def tasks_of(suite: SuiteComponent) -> tuple[str, ...] | None:
    """The tasks of a suite; ``None`` if any name is allowed or they cannot be loaded."""
    try:
        return suite.load_tasks()
    except UnifiedError:
        return None


def origin(of: Origin) -> str:
    """Package and version for the user; ``core`` for the built-ins."""
    return f"{CORE} {of.version}".strip() if of.provider == CORE else str(of)
