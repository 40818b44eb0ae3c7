"""Energy-based hindsight experience prioritisation. Zhao & Tresp 2018, https://arxiv.org/abs/1810.01363."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from unified.plugins.samplers.hindsight.sampler import Hindsight
from unified.plugins.samplers.prioritised.sampler import Prioritised
from unified.replay import Uniform

if TYPE_CHECKING:
    from unified import Suite
    from unified.plugins.samplers.energy.config import EnergyOptions
    from unified.replay import Array, Store, View


class Energy(Hindsight):
    """`Hindsight` on rows of finished episodes that are drawn in proportion to their energy, and their steps evenly.

    The energy of an episode is what its steps add to the energy of a body at the achieved goal, g z + v² / 2 for mass 1, each within 0 and
    ``max_energy`` (equations 3 to 6). Before an episode with energy has ended, rows are drawn uniformly. The priority belongs to the
    episode, whatever goals its rows get.

    Args:
        options: As in `config.py`.
    """

    def __init__(self, options: EnergyOptions) -> None:
        super().__init__(options)
        self.rows: Any = ByEnergy(options)
        self.prioritises = self.rows.prioritises


class ByEnergy(Prioritised):
    """Steps of finished episodes: the mass of each is the energy of its episode, divided by the steps of the episode."""

    prioritises = False

    def __init__(self, options: EnergyOptions) -> None:
        super().__init__(beta="0")  # without importance weights, as in the paper
        self.dt, self.gravity, self.limit = options.dt, options.gravity, options.max_energy

    def setup(self, store: Store, view: View, *, suite: Suite | None = None, updates: int | None = None) -> None:
        super().setup(store, view, suite=suite, updates=updates)
        self.store = store

    def sample(self, store: Store, view: View, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        if not self.tree.total:
            return Uniform().sample(store, view, count, generator)
        return super().sample(store, view, count, generator)

    def add(self, index: Array) -> None:
        """Weigh the episodes that have ended with one of these steps."""
        store, env_id = self.store, index // self.length
        if store.open[env_id].all() and len(index) <= self.num_envs:  # one step of each, and no end
            return
        first, last = store.episodes(index)
        finished = ~(store.open[env_id] & (last == store.head[env_id] - 1))
        for env, begins, ends in sorted(set(zip(*(each[finished].tolist() for each in (env_id, first, last)), strict=True))):
            slots = store.index(env, np.arange(begins, ends + 1))
            energy = self.energy(store.data["obs.achieved_goal"][slots])
            self.tree.set(self._leaf(slots[:-1]), np.full(ends - begins, energy / (ends - begins)))

    def energy(self, places: Array) -> float:
        """The energy of an episode with these achieved goals ``(T + 1, *goal)``."""
        places = places.reshape(len(places), -1).astype(np.float64)
        speed = np.diff(places, axis=0, prepend=places[:1]) / self.dt
        height = places[:, 2] if places.shape[1] > 2 else np.zeros(len(places))
        energy = self.gravity * height + 0.5 * (speed**2).sum(axis=1)
        return float(np.clip(np.diff(energy), 0.0, self.limit).sum())

    def update_priorities(self, index: Array, priority: Array) -> None:
        """Energy is the priority."""
