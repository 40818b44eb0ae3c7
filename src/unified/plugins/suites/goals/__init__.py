"""Descriptor of the suite goals."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="goals",
    target="unified.plugins.suites.goals.suite:Goals",
    config="unified.plugins.suites.goals.config:GoalsOptions",
    tasks="unified.plugins.suites.goals.config:TASKS",
    example="bit_flip",
    summary="goal tasks that need no package, so small that hindsight decides whether they are learned (Andrychowicz et al. 2017)",
)
