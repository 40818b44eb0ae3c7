"""What several commands say in the same words."""

from __future__ import annotations

from unified.core.base.errors import UnifiedError
from unified.core.components.descriptors import Origin, SuiteComponent
from unified.core.registry import CORE

SEPARATOR = " · "


def tasks_of(suite: SuiteComponent) -> tuple[str, ...] | None:
    """Its tasks; ``None`` where any name may be one, or they cannot be loaded."""
    try:
        return suite.load_tasks()
    except UnifiedError:
        return None


def origin(of: Origin) -> str:
    """Package and version, as people are told: the built-ins are ``core``."""
    return f"{CORE} {of.version}".strip() if of.provider == CORE else str(of)
