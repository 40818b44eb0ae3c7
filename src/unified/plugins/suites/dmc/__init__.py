"""Descriptor of the suite dmc."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="dmc",
    target="unified.plugins.suites.dmc.suite:DMC",
    config="unified.plugins.suites.dmc.config:DMCOptions",
    tasks="unified.plugins.suites.dmc.tasks:TASKS",
    example="humanoid_run",
    agent="drqv2",
    summary="continuous control in MuJoCo from dm_control, from pixels or state (Tassa et al. 2018)",
)
