"""The replay for plugins: views (the form of a batch), samplers (which rows, relabelled or not) and the store they read.

A sampler is a subclass of `Sampler`, registered with `unified.SamplerComponent` and chosen with ``replay.sampler=NAME``. It reads the
columns of a `Store` (``store.data["reward"][index]``), its episodes (`Store.episodes`) and the n-step windows of rows (`windows`).
"""

from __future__ import annotations

from unified.core.replay.batch import Batch
from unified.core.replay.buffer import Replay
from unified.core.replay.gather import (
    Gatherer,
    count_transitions,
    eligible_transitions,
    gather_future,
    gather_observations,
    gather_stacks,
    gather_transitions,
    windows,
)
from unified.core.replay.samplers import Sampler, SumTree, Uniform, all_eligible, locate
from unified.core.replay.store import Array, Column, Store
from unified.core.replay.views import Labelled, Rollout, Transitions, View

__all__ = [
    "Array",
    "Batch",
    "Column",
    "Gatherer",
    "Labelled",
    "Replay",
    "Rollout",
    "Sampler",
    "Store",
    "SumTree",
    "Transitions",
    "Uniform",
    "View",
    "all_eligible",
    "count_transitions",
    "eligible_transitions",
    "gather_future",
    "gather_observations",
    "gather_stacks",
    "gather_transitions",
    "locate",
    "windows",
]
