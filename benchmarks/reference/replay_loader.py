"""A replay as the reference keeps it: one file for each episode, observations stacked before they are stored, a DataLoader whose workers
draw one row at a time and sum the n steps of it in a Python loop.

Written for measuring against, in the reference's style.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


def save_episode(directory: Path, episode: dict[str, np.ndarray], number: int) -> None:
    """Write one episode of T steps: T + 1 stacked observations; row t of action, reward and discount leads to observation t."""
    with (directory / f"{number:06d}.npz").open("wb") as file:
        np.savez(file, **episode)


class EpisodeRows(IterableDataset[tuple[np.ndarray, ...]]):
    """Endless random n-step rows out of the episode files of a directory; each worker keeps its share of the episodes in memory."""

    def __init__(self, directory: Path, n_step: int, discount: float) -> None:
        self.directory, self.n_step, self.discount = directory, n_step, discount
        self.episodes: list[dict[str, np.ndarray]] = []

    def read_episodes(self) -> None:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for number, path in enumerate(sorted(self.directory.glob("*.npz"))):
            if number % workers == worker:
                with path.open("rb") as file:
                    stored = np.load(file)
                    self.episodes.append({name: stored[name] for name in stored})

    def row(self) -> tuple[np.ndarray, ...]:
        episode = self.episodes[np.random.randint(len(self.episodes))]
        steps = len(episode["observation"]) - 1
        t = np.random.randint(0, steps - self.n_step + 1) + 1
        reward, discount = np.zeros_like(episode["reward"][t]), np.ones_like(episode["discount"][t])
        for k in range(self.n_step):
            reward += discount * episode["reward"][t + k]
            discount *= episode["discount"][t + k] * self.discount
        return episode["observation"][t - 1], episode["action"][t], reward, discount, episode["observation"][t + self.n_step - 1]

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        if not self.episodes:
            self.read_episodes()
        while True:
            yield self.row()


def _seed_worker(worker: int) -> None:
    np.random.seed((torch.initial_seed() + worker) % 2**32)


def make_loader(
    directory: Path, batch_size: int, workers: int, n_step: int = 3, discount: float = 0.99
) -> DataLoader[tuple[np.ndarray, ...]]:
    """Batches of (observation, action, reward, discount, next observation)."""
    rows = EpisodeRows(directory, n_step, discount)
    pin = torch.cuda.is_available()
    return DataLoader(rows, batch_size=batch_size, num_workers=workers, pin_memory=pin, worker_init_fn=_seed_worker)
