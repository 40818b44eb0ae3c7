"""The tasks: names of the data sets."""

from __future__ import annotations

TASKS = ("mnist", "fashion_mnist", "cifar10", "cifar100", "celeba", "folder")
