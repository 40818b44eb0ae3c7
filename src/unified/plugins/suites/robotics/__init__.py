"""Descriptor of the suite robotics."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

_FAMILIES = r"(?:Fetch|HandReach|HandManipulate|PointMaze_|AntMaze_|AdroitHand|FrankaKitchen)"

component = SuiteComponent(
    name="robotics",
    target="unified.plugins.suites.robotics.suite:Robotics",
    config="unified.plugins.suites.robotics.config:RoboticsOptions",
    tasks="unified.plugins.suites.robotics.tasks:TASKS",
    example="FetchReach-v4",
    agent="sac",
    converters="unified.plugins.suites.gym.spaces:converters",
    check="unified.plugins.suites.robotics.suite:check",
    ids=rf"(?:gymnasium_robotics:)?({_FAMILIES}\w*-v\d+)",
    extra="robotics",
    summary="arms, hands and mazes with goals from Gymnasium-Robotics (Plappert et al. 2018; needs the extra robotics)",
)
