"""Samplers: which slots a batch begins at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unified.core.base.errors import UnifiedError

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store
    from unified.core.replay.views import View

#: Rounds of drawing and rejecting before all slots are looked at: only a store in which hardly anything is eligible gets there.
ROUNDS = 32


class Sampler(ABC):
    """Chooses the slots of a batch. It is told of every slot that becomes a transition, or no longer is one."""

    #: Whether priorities change what is drawn; where not, they never leave the device.
    prioritises: ClassVar[bool] = False

    @abstractmethod
    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Indices of `count` eligible slots, with replacement, and their importance weights, float32: ``(count,)`` each."""

    def add(self, index: Array) -> None:  # noqa: B027  # nothing to do for most
        """These slots became transitions."""

    def remove(self, index: Array) -> None:  # noqa: B027
        """These slots hold no transition any more."""

    def update_priorities(self, index: Array, priority: Array) -> None:  # noqa: B027
        """An update found these priorities ``(B,)`` for the rows at `index`."""

    def state_dict(self) -> dict[str, Any]:
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


class Prioritised(Sampler):
    """Transitions in proportion to priority^α, with importance weights (N P)^-β, the greatest of a batch being 1.

    New transitions get the greatest priority seen so far. Schaul et al. 2016, https://arxiv.org/abs/1511.05952.

    The leaves of the tree are the slots in the order of time: position 0 of each ring, then position 1 of each. So a longer ring adds
    leaves at the end, and what is drawn before any ring is full does not depend on how long the rings are.

    Args:
        slots: Of the store (`Store.slots`).
        num_envs: Rings of the store.
        alpha: 0 is uniform, 1 is proportional.
        beta: How much of the bias is corrected; 1 is all of it.
        eps: Added to every priority, so that none is 0.
    """

    prioritises = True

    def __init__(self, slots: int, alpha: float = 0.6, beta: float = 0.4, eps: float = 1e-6, num_envs: int = 1) -> None:
        if not (0 <= alpha <= 1 and 0 <= beta <= 1 and eps > 0):
            raise ValueError(f"alpha and beta lie within [0, 1] and floor is positive, not alpha={alpha}, beta={beta}, floor={eps}")
        self.alpha, self.beta, self.eps = alpha, beta, eps
        self.num_envs, self.length = num_envs, slots // num_envs
        self.tree = SumTree(slots)
        self.max_priority = 1.0  # priority^α of new transitions

    def _leaf(self, index: Array) -> Array:
        """The leaves of slots at these indices of the store."""
        env_id, position = np.divmod(index, self.length)
        leaf: Array = position * self.num_envs + env_id
        return leaf

    def mass(self, index: Array) -> Array:
        """priority^α of the slots at these indices of the store ``(m,)``; 0 where there is no transition."""
        return self.tree.leaves[self._leaf(index)]

    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        found: list[Array] = []
        missing = count
        for _ in range(ROUNDS):
            position, env_id = np.divmod(self.tree.find(generator.random(missing + missing // 8 + 8) * self.tree.total), self.num_envs)
            index = env_id * self.length + position
            env_id, slot = locate(store, index)
            found.append(index[view.eligible(store, env_id, slot)][:missing])
            missing -= len(found[-1])
            if not missing:
                break
        else:
            eligible = all_eligible(store, view)
            sums = np.cumsum(self.mass(eligible))
            at = np.searchsorted(sums, generator.random(missing) * sums[-1], side="right")
            found.append(eligible[np.minimum(at, len(eligible) - 1)])
        index = np.concatenate(found)
        mass = self.mass(index)
        return index, ((mass.min() / mass) ** self.beta).astype(np.float32)

    def add(self, index: Array) -> None:
        self.tree.set(self._leaf(index), np.full(len(index), self.max_priority))

    def remove(self, index: Array) -> None:
        self.tree.set(self._leaf(index), np.zeros(len(index)))

    def update_priorities(self, index: Array, priority: Array) -> None:
        """Priorities that are not finite leave their rows as they are; so do rows that were overwritten since they were drawn."""
        mass = (np.abs(priority.astype(np.float64)) + self.eps) ** self.alpha
        known = np.isfinite(mass) & (self.mass(index) > 0)
        self.tree.set(self._leaf(index[known]), mass[known])
        if known.any():
            self.max_priority = max(self.max_priority, float(mass[known].max()))

    def state_dict(self) -> dict[str, Any]:
        return {"leaves": self.tree.leaves.copy(), "greatest": self.max_priority}

    def load_state_dict(self, state: dict[str, Any], store: Store) -> None:
        leaves = np.asarray(state["leaves"], np.float64)
        length = len(leaves) // self.num_envs  # of a ring then: with another budget it may have another length
        for env_id in range(store.num_envs):
            slot = np.arange(max(store.tail[env_id], store.head[env_id] - length), store.head[env_id])
            self.tree.set(self._leaf(store.index(env_id, slot)), leaves[slot % length * self.num_envs + env_id])
        self.max_priority = float(state["greatest"])


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
        if len(self._changed) > 1000:  # nobody draws
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
    """Lane and slot at each index, of the slots that are there; elsewhere a slot past the head, which nothing takes for eligible."""
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
