"""Descriptor of the suite dataset."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

component = SuiteComponent(
    name="dataset",
    target="unified.plugins.suites.dataset.suite:NamedDataset",
    config="unified.plugins.suites.splits:SplitOptions",
    tasks=None,
    example="torchvision.datasets:FakeData",
    adapts=("torch.utils.data:Dataset",),
    adapter="unified.plugins.suites.dataset.suite:DatasetSuite",
    agent="ac2",
    data=True,
    summary="any torch.utils.data.Dataset of images or vectors: --suite ./file.py:Name, or an object in Python",
)
