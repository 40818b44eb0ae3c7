"""Return-conditioned windows: K consecutive steps of an episode, each with the return that followed it. No Python loop over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unified import Batch, View
from unified.replay import gather_observations

if TYPE_CHECKING:
    from unified.replay import Array, Gatherer, Store


@dataclass(frozen=True)
class ReturnWindows(View):
    """Windows of consecutive steps within one episode, which begin at any of its steps with the same probability.

    Columns: `obs` ``(B, K, *observation)``, `action` ``(B, K, *action)``, `return_to_go` ``(B, K)``, the undiscounted sum of rewards from
    a step to the end of its episode, `step` ``(B, K)``, its number within the episode, and `mask` ``(B, K)``, false behind the end of the
    episode, where the last slot is repeated.

    Args:
        context: Steps of a window, K.
    """

    context: int = 20

    @property
    def columns(self) -> tuple[str, ...]:
        return ("obs", "action", "return_to_go", "step", "mask", "index", "weight")

    @property
    def window(self) -> int:
        return 2

    def eligible(self, store: Store, env_id: Array, slot: Array) -> Array:
        """Steps with an action; of an episode that goes on none, because nobody knows its return."""
        eligible: Array = ~store.data["last"][store.index(env_id, slot)] & (~store.open[env_id] | (slot < store.start[env_id]))
        return eligible

    def count(self, store: Store) -> int:
        going_on = np.where(store.open, store.head - 1 - np.maximum(store.start, store.tail), 0)
        return int((store.held - np.maximum(going_on, 0)).sum())

    def ready(self, store: Store) -> bool:
        return self.count(store) > 0  # all may belong to an episode that goes on

    def gather(self, store: Store, index: Array, gatherer: Gatherer) -> Batch:
        last, length, at = store.data["last"], store.length, [index]
        for _ in range(self.context - 1):
            position = at[-1] % length
            at.append(np.where(last[at[-1]], at[-1], at[-1] - position + (position + 1) % length))
        slots = np.stack(at, axis=1)  # (B, K)
        returns = store.derived("returns_to_go", returns_to_go)
        return Batch(
            {
                **gather_observations(store, slots, self.stack, gatherer),
                "action": torch.from_numpy(store.data["action"][slots]),
                "return_to_go": torch.from_numpy(returns[slots]),
                "step": torch.from_numpy(store.data["step"][slots].astype(np.int64)),
                "mask": torch.from_numpy(~last[slots]),
                "index": torch.from_numpy(index),
            }
        )


def returns_to_go(store: Store) -> Array:
    """Of every slot, the sum of rewards from it to the end of its episode, float32; 0 in a last slot."""
    found = np.zeros(store.slots, np.float32)
    for env_id in range(store.num_envs):
        slots = np.arange(store.tail[env_id], store.head[env_id])
        if not len(slots):
            continue
        index = store.index(env_id, slots)
        last, total = store.data["last"][index], np.cumsum(store.data["reward"][index], dtype=np.float64)
        ends = np.append(np.flatnonzero(last), len(slots) - 1)
        end = ends[np.searchsorted(ends, np.arange(len(slots)))]
        before = np.append(0.0, total)[:-1]
        found[index] = total[end] - before
    return found
