"""Descriptor of the suite vision."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="vision",
    target="unified.plugins.suites.vision.suite:Vision",
    config="unified.plugins.suites.vision.config:VisionOptions",
    tasks="unified.plugins.suites.vision.tasks:TASKS",
    check="unified.plugins.suites.vision.suite:check",
    example="cifar10",
    agent="ac2",
    data=True,
    summary="image classification: data sets of torchvision, or a folder with a folder for each class",
)
