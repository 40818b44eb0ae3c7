"""Objectives, a package for each: its descriptor, and its class in `objective`. Torch-free."""

from __future__ import annotations

#: The built-in suites that are data sets, for presets of objectives that generate.
DATA_SETS = "digits iris wine breast_cancer diabetes dataset vision:*"
