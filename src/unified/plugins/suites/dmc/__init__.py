"""dm_control's suite."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="dmc",
    target="unified.plugins.suites.dmc.suite:DMC",
    config="unified.plugins.suites.dmc.config:DMCOptions",
    tasks="unified.plugins.suites.dmc.tasks:TASKS",
    example="humanoid_run",
    agent="drqv2",
    summary="dm_control's tasks of continuous control in MuJoCo, from pixels or from the state (Tassa et al. 2018)",
)
