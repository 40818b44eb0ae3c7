"""The conformance checks: a file for each kind of component and one for all kinds."""

from __future__ import annotations

from unified.testing.check import Check


def all_checks() -> tuple[Check, ...]:
    """All checks; later ones rely on what earlier ones check."""
    from unified.testing.checks import agents, architectures, callbacks, components, learning, objectives, others, suites

    modules = (components, agents, learning, suites, architectures, objectives, callbacks, others)
    return tuple(check for module in modules for check in module.CHECKS)
