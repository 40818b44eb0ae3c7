"""Compose words, recipes and Python values into one validated configuration. Torch-free."""

from __future__ import annotations

from unified.core.config.compose import compose
from unified.core.config.config import Config
from unified.core.config.schema import Part, Selection, Slot
from unified.core.options import Options

__all__ = ["Config", "Options", "Part", "Selection", "Slot", "compose"]
