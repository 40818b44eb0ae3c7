"""What is checked: a file for each kind of component, and one for what all have in common."""

from __future__ import annotations

from unified.testing.check import Check


def all_checks() -> tuple[Check, ...]:
    """Every check, in the order in which they are worth reading: what a later one needs, an earlier one has tried."""
    from unified.testing.checks import agents, architectures, callbacks, components, learning, objectives, others, suites

    modules = (components, agents, learning, suites, architectures, objectives, callbacks, others)
    return tuple(check for module in modules for check in module.CHECKS)
