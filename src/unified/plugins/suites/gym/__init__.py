"""Descriptor of the suite gym."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="gym",
    target="unified.plugins.suites.gym.suite:Gym",
    config="unified.plugins.suites.gym.config:GymOptions",
    tasks=None,
    example="Pendulum-v1",
    adapts=("gymnasium:Env",),
    adapter="unified.plugins.suites.gym.adapted:GymObject",
    converters="unified.plugins.suites.gym.spaces:converters",
    units="unified.plugins.suites.gym.units:GymUnits",
    check="unified.plugins.suites.gym.environment:check",
    ids=r"((?:[\w.]+:)?[\w./-]+-v\d+)",
    summary="any registered Gymnasium id with numeric or discrete spaces",
)
