"""Objectives, a package for each: its descriptor, and its class in `objective`. Torch-free."""

from __future__ import annotations
