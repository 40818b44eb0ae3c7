"""Priorities that reach a sampler some updates late, so that no update waits for the device of the one before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from unified.core.replay.samplers import locate
from unified.core.replay.store import Array, Store


@dataclass
class _Update:
    """The priorities of one update, perhaps still on their way from the device; and the slots that were emptied since then."""

    index: Callable[[], Array]
    priority: Callable[[], Array]
    removed: list[Array] = field(default_factory=list)

    def rows(self) -> tuple[Array, Array]:
        """Slots and priorities of the rows that are still there."""
        index, priority = self.index(), self.priority()
        there = ~np.isin(index, np.concatenate([*self.removed, np.zeros(0, np.int64)]))
        return index[there], priority[there]


class LatePriorities:
    """Holds the priorities of the newest updates back. A slot that got another row meanwhile keeps the priority of that row.

    Args:
        lag: Number of updates that are held back.
    """

    def __init__(self, lag: int) -> None:
        self.lag = lag
        self._updates: deque[_Update] = deque()

    def exchange(self, index: torch.Tensor, priority: torch.Tensor) -> Iterator[tuple[Array, Array]]:
        """Take the priorities of an update, and give those that are due: slots and priorities ``(m,)``.

        On a GPU nothing waits for the update, but for the one `lag` updates before it.
        """
        self._updates.append(_Update(_arriving(index), _arriving(priority.detach().float())))
        while len(self._updates) > self.lag:
            yield self._updates.popleft().rows()

    def remove(self, index: Array) -> None:
        """These slots hold no transition any more, or another one."""
        for update in self._updates:
            update.removed.append(index)

    def clear(self) -> None:
        """Forget everything that is held back."""
        self._updates.clear()

    def state_dict(self, store: Store) -> list[dict[str, Any]]:
        """What is held back, by environment and slot: a resumed run may have longer rings."""
        states = []
        for index, priority in (update.rows() for update in self._updates):
            env_id, slot = locate(store, index)
            states.append({"env_id": env_id, "slot": slot, "priority": priority})
        return states

    def load_state_dict(self, states: Sequence[dict[str, Any]], store: Store) -> None:
        """Hold back what was held back."""
        self.clear()
        for state in states:
            env_id, slot, priority = (np.asarray(state[name]) for name in ("env_id", "slot", "priority"))
            there = slot >= store.tail[env_id]
            self._updates.append(_Update(_arrived(store.index(env_id[there], slot[there])), _arrived(priority[there])))


def _arrived(values: Array) -> Callable[[], Array]:
    return lambda: values


def _arriving(tensor: torch.Tensor) -> Callable[[], Array]:
    """The values of a tensor as they are now; only the call of the result waits for them."""
    if tensor.device.type != "cuda":
        return _arrived(np.array(tensor.cpu().numpy()))
    copied = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copied.copy_(tensor, non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()

    def wait() -> Array:
        arrived.synchronize()
        return copied.numpy()

    return wait
