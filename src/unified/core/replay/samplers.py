"""The contract of samplers, which choose the slots of a batch; the uniform sampler, and helpers for others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import UnifiedError

if TYPE_CHECKING:
    from unified.core.envs.suite import Suite
    from unified.core.replay.batch import Batch
    from unified.core.replay.store import Array, Store
    from unified.core.replay.views import View

#: Rounds of drawing and rejecting before all slots are looked at: only a store in which hardly anything is eligible gets there.
ROUNDS = 32


class Sampler(ABC):
    """Chooses the slots that the rows of a batch begin at, and may relabel the rows.

    A run chooses it by name: ``replay.sampler=NAME``; its options are the keyword arguments of its class. The replay calls `setup`, then
    reports every slot that becomes a transition (`add`) or no longer is one (`remove`).
    """

    #: Whether priorities change the choice; if not, they never leave the device.
    prioritises: bool = False
    #: Updates by which priorities come late: with 1, those of update k are there before the rows of update k + 2 are drawn, and the CPU
    #: does not wait for a GPU between updates.
    lag: int = 0

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:  # noqa: B027
        """Prepare for a store and a view. Called once, before anything else.

        Args:
            store: Empty as yet.
            view: The form of a batch.
            suite: Of the task, in this process; ``None`` where only a saved replay is known.
            updates: Updates of the whole run, for schedules over the budget; ``None`` if unknown.

        Raises:
            UsageError: If it cannot work with this task or view.
        """

    @abstractmethod
    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Indices of `count` eligible slots, with replacement, and their importance weights, float32: ``(count,)`` each."""

    def relabel(self, batch: Batch, store: Store, view: View, generator: np.random.Generator) -> Batch:
        """The batch that is learned from, made of the rows as they were stored: with another goal and its rewards, for example.

        Args:
            batch: On the CPU, just gathered, so that its tensors may be changed in place; named observations are columns ``obs.NAME``.
            store: Of the rows; `batch.index` are their slots.
            view: That gathered the batch.
            generator: The one that `sample` drew from.
        """
        return batch

    def add(self, index: Array) -> None:  # noqa: B027  # nothing to do for most
        """These slots became transitions."""

    def remove(self, index: Array) -> None:  # noqa: B027
        """These slots hold no transition any more."""

    def update_priorities(self, index: Array, priority: Array) -> None:  # noqa: B027
        """An update found these priorities ``(B,)`` for the rows at `index`."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs beside the rows."""
        return {}

    def load_state_dict(self, state: dict[str, Any], store: Store) -> None:  # noqa: B027
        """Go on from a `state_dict`; the store holds its rows already, in rings of the same length or of another."""


class Uniform(Sampler):
    """Every eligible transition with the same probability: slots are drawn evenly, and those that cannot begin a row drawn again."""

    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        ends = np.cumsum(store.head - store.tail)
        starts = store.head - ends  # added to a number among all held slots, gives the slot within its lane
        found: list[Array] = []
        missing = count
        for _ in range(ROUNDS):
            number = generator.integers(0, ends[-1], missing + missing // 8 + 8)
            env_id = np.searchsorted(ends, number, side="right")
            slot = number + starts[env_id]
            found.append(store.index(env_id, slot)[view.eligible(store, env_id, slot)][:missing])
            missing -= len(found[-1])
            if not missing:
                break
        else:
            eligible = all_eligible(store, view)
            found.append(eligible[generator.integers(0, len(eligible), missing)])
        return np.concatenate(found), np.ones(count, np.float32)


class SumTree:
    """Non-negative numbers and their sums over the nodes of a binary tree: a draw in proportion to them costs log₂(slots) lookups.

    A node is always exactly the sum of its two children, as floating point adds them; so the tree is a function of its leaves.

    Args:
        slots: Leaves.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._first = 1 << max(slots - 1, 0).bit_length()
        self._nodes = np.zeros(2 * self._first)  # node i has children 2i and 2i + 1; node 1 is the root
        self._changed: list[Array] = []  # leaves whose sums are still to be made anew

    @property
    def total(self) -> float:
        self._sum()
        return float(self._nodes[1])

    @property
    def leaves(self) -> Array:
        """A view ``(slots,)``."""
        return self._nodes[self._first : self._first + self.slots]

    def set(self, index: Array, value: Array) -> None:
        """Set leaves ``(m,)``; of one that is named twice, the later value holds."""
        self.leaves[index] = value
        self._changed.append(index)
        if len(self._changed) > 1000:  # no draws in between
            self._sum()

    def _sum(self) -> None:
        if not self._changed:
            return
        node = np.unique(np.concatenate(self._changed)) + self._first
        self._changed = []
        while len(node) and node[0] > 1:
            node = node >> 1
            node = node[np.append(True, node[1:] != node[:-1])]
            self._nodes[node] = self._nodes[2 * node] + self._nodes[2 * node + 1]

    def find(self, mass: Array) -> Array:
        """The leaves at which the running sum of all leaves first exceeds `mass` ``(m,)``, each within [0, total)."""
        self._sum()
        node = np.ones(len(mass), np.int64)
        for _ in range(self._first.bit_length() - 1):
            node *= 2
            left = self._nodes[node]
            # Rounding may leave a little more mass than the right child has: never go where there is nothing.
            right = (mass >= left) & (self._nodes[node + 1] > 0)
            mass = np.where(right, mass - left, mass)
            node += right
        return np.minimum(node - self._first, self.slots - 1)


def locate(store: Store, index: Array) -> tuple[Array, Array]:
    """Environment and slot at each index that is held; for other indices a slot past the head, which is not eligible in any view."""
    env_id, position = np.divmod(index, store.length)
    tail = store.tail[env_id]
    return env_id, tail + (position - tail) % store.length


def all_eligible(store: Store, view: View) -> Array:
    """Indices of every eligible slot: a pass over the whole store.

    Raises:
        UnifiedError: If there is none.
    """
    found = []
    for env_id in range(store.num_envs):
        slot = np.arange(store.tail[env_id], store.head[env_id])
        num_envs = np.full(len(slot), env_id)
        found.append(store.index(num_envs, slot)[view.eligible(store, num_envs, slot)])
    eligible = np.concatenate(found)
    if not len(eligible):
        raise UnifiedError("the replay holds no transition to sample yet")
    return eligible
