"""Prioritised experience replay. Schaul, Quan, Antonoglou & Silver 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Interval

from unified import Schedule
from unified.replay import Sampler, SumTree, all_eligible, locate

if TYPE_CHECKING:
    from unified import Suite
    from unified.replay import Array, Store, View

#: Rounds of drawing and rejecting before all slots are looked at.
ROUNDS = 32


class Prioritised(Sampler):
    """Transitions in proportion to priority^α, with importance weights (N P)^-β, the greatest weight of a batch being 1.

    New transitions get the greatest priority seen so far. β rises to 1 over the budget of the run, as in the paper (section 3.4); so a
    run with a longer budget is another run, unless `beta` is given. Source: Schaul et al. 2016, https://arxiv.org/abs/1511.05952.

    The leaves of the tree are the slots in the order of time: position 0 of each ring, then position 1 of each. So a longer ring adds
    leaves at the end, and what is drawn before any ring is full does not depend on how long the rings are.

    Args:
        alpha: Prioritisation exponent: 0 samples uniformly, 1 in proportion to the priority.
        beta: Importance-sampling exponent over the batches drawn, 0.4 or linear(0.4,1.0,50000): 1 corrects the sampling bias fully. \
null: from 0.4 to 1 over the updates of the run, or 0.4 if its budget is hours only.
        eps: Added to every priority, so that none is 0.
        lag: Updates by which new priorities come late. With 1, those of update k count from the rows of update k + 2 on, and on a GPU no \
update waits for the one before it; 0 is the paper's algorithm.
    """

    prioritises = True

    def __init__(
        self,
        alpha: Annotated[float, Interval(ge=0, le=1)] = 0.6,
        beta: str | None = None,
        eps: Annotated[float, Gt(0)] = 1e-6,
        lag: Annotated[int, Ge(0)] = 0,
    ) -> None:
        if not (0 <= alpha <= 1 and eps > 0):
            raise ValueError(f"alpha must lie within [0, 1] and eps must be positive, not alpha={alpha}, eps={eps}")
        self.alpha, self.eps, self.lag = alpha, eps, lag
        self._beta = None if beta is None else Schedule(str(beta))
        self.max_priority = 1.0  # priority^α of new transitions
        self.drawn = 0  # batches

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:
        self.num_envs, self.length = store.num_envs, store.length
        self.tree = SumTree(store.slots)
        self.beta = self._beta or Schedule(f"linear(0.4,1.0,{updates})" if updates else "0.4")

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
        mass, beta = self.mass(index), self.beta(self.drawn)
        self.drawn += 1
        return index, ((mass.min() / mass) ** beta).astype(np.float32)

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
        return {"leaves": self.tree.leaves.copy(), "greatest": self.max_priority, "drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any], store: Store) -> None:
        leaves = np.asarray(state["leaves"], np.float64)
        length = len(leaves) // self.num_envs  # of a ring then: with another budget it may have another length
        for env_id in range(store.num_envs):
            slot = np.arange(max(store.tail[env_id], store.head[env_id] - length), store.head[env_id])
            self.tree.set(self._leaf(store.index(env_id, slot)), leaves[slot % length * self.num_envs + env_id])
        self.max_priority, self.drawn = float(state["greatest"]), int(state["drawn"])
