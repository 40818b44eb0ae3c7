"""Rollouts: what happened since the last updates, in order, and then in minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.core.replay.batch import Batch
from unified.core.replay.gather import AT_ONCE, gather_observations

if TYPE_CHECKING:
    from unified.core.replay.buffer import Replay
    from unified.core.replay.views import Rollout


def minibatches(view: Rollout, replay: Replay, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
    """What happened since the last time: all of it in each of the view's epochs, in a new order. Consumed when the last batch is done."""
    rows = gather_rollout(view, replay)
    size = len(rows.reward)
    if size:  # nothing is left where every episode failed
        rows = prepare(rows)
        generator = replay.streams["replay"].numpy()
        for _ in range(view.epochs):
            yield from shuffled(rows, generator.permutation(size), view.minibatches(size))
    replay.consume()


def shuffled(rows: Batch, order: np.ndarray, pieces: int) -> Iterator[Batch]:
    """The rows in this order ``(N,)``, in so many minibatches of equal length, or nearly.

    Minibatches are views of a copy of the rows in this order: one of all rows or, of large rows, several of about `AT_ONCE` bytes.
    """
    index = torch.from_numpy(order).to(next(iter(rows.values())).device)
    sizes = [len(piece) for piece in index.tensor_split(pieces)]
    row_bytes = sum(column[:1].nbytes for column in rows.values())
    together = max(1, AT_ONCE // (sizes[0] * row_bytes))
    for first in range(0, pieces, together):
        some = sizes[first : first + together]
        start = sum(sizes[:first])
        part = index[start : start + sum(some)]
        yield from Batch({name: column.index_select(0, part) for name, column in rows.items()}).parts(some)


def gather_rollout(view: Rollout, replay: Replay) -> Batch:
    """The transitions that were not consumed yet, environment after environment, each in the order of time.

    Beside the columns of the view there are `next_obs`, the true next observation, `env_id` ``(N,)``, and `boundary` ``(N,)``: whether the
    row after this one belongs to another episode or environment, or does not exist yet. `discount` is γ, or 0 where the episode
    terminated.
    """
    store = replay.store
    found = []
    for env_id in range(store.num_envs):
        slot = np.arange(max(int(replay.consumed[env_id]), int(store.tail[env_id])), int(store.head[env_id]))
        index = store.index(env_id, slot)
        found.append(index[~store.data["last"][index]])
    index = np.concatenate(found)
    ends = np.cumsum([len(piece) for piece in found]) - 1
    lane_base = index - index % store.length
    after = lane_base + (index % store.length + 1) % store.length
    boundary = store.data["last"][after].copy()
    boundary[ends[[len(piece) > 0 for piece in found]]] = True
    discount = np.where(store.data["terminated"][index], np.float32(0), np.float32(view.discount))
    frames = gather_observations(store, np.stack([index, after]), view.stack, replay.gatherer)
    return Batch(
        {
            **{name: both[0] for name, both in frames.items()},
            "action": torch.from_numpy(store.data["action"][index]),
            "reward": torch.from_numpy(store.data["reward"][index]),
            "discount": torch.from_numpy(discount),
            **{f"next_{name}": both[1] for name, both in frames.items()},
            "index": torch.from_numpy(index),
            "weight": torch.ones(len(index)),
            "boundary": torch.from_numpy(boundary),
            "env_id": torch.from_numpy(index // store.length),
            **{name: torch.from_numpy(store.data[name][index]) for name in store.extra},
        }
    )
