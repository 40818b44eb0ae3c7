"""The replay: a columnar store of single slots, seen through a view, drawn by a sampler, kept by a backing, sealed in segments."""

from __future__ import annotations

from unified.core.replay.backing import DiskBacking, RamBacking, check_capacity, choose_backing
from unified.core.replay.fixed import FixedReplay
from unified.core.replay.replay import Replay
from unified.core.replay.samplers import Prioritised, Sampler, Uniform
from unified.core.replay.segments import DamagedSegment, prune, verify
from unified.core.replay.store import Backing, Column, Store, slots_of
from unified.core.views import Transitions, View

__all__ = [
    "Backing",
    "Column",
    "DamagedSegment",
    "DiskBacking",
    "FixedReplay",
    "Prioritised",
    "RamBacking",
    "Replay",
    "Sampler",
    "Store",
    "Transitions",
    "Uniform",
    "View",
    "check_capacity",
    "choose_backing",
    "prune",
    "slots_of",
    "verify",
]
