"""Rollouts in sequences, for agents with a memory: whole pieces of each environment's steps, padded to one length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.core.replay.batch import Batch
from unified.core.replay.rollout import gather_rollout

if TYPE_CHECKING:
    from unified.core.replay.buffer import Replay
    from unified.core.replay.store import Array
    from unified.core.replay.views import RolloutSequences


def sequence_minibatches(view: RolloutSequences, replay: Replay, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
    """The rollout in each of the view's epochs, its sequences in a new order. Consumed when the last batch is done."""
    rows = gather_rollout(view, replay)
    if len(rows.reward):  # no row is left where every episode failed
        env_id = rows.env_id.numpy()
        is_first = torch.from_numpy(replay.store.data["step"][rows.index.numpy()] == 0)
        rows = prepare(rows)
        sequences = torch.from_numpy(cut(env_id, view.sequence_length)).to(rows.reward.device)
        rows["is_first"] = is_first.to(rows.reward.device)
        generator = replay.streams["replay"].numpy()
        for _ in range(view.epochs):
            for piece in np.array_split(generator.permutation(len(sequences)), view.minibatches(len(rows.reward), len(sequences))):
                yield padded(rows, sequences[torch.from_numpy(piece).to(sequences.device)])
    replay.consume()


def cut(env_id: Array, length: int) -> Array:
    """Cut each environment's rows into sequences of `length`, the last one shorter: row numbers ``(S, T)``, -1 for padding.

    Args:
        env_id: ``(N,)``, of each row; the rows of an environment follow each other in the order of time.
        length: T.

    >>> cut(np.array([0, 0, 0, 1, 1]), 2)
    array([[ 0,  1],
           [ 2, -1],
           [ 3,  4]])
    """
    sequences = []
    for env in np.unique(env_id):
        rows = np.flatnonzero(env_id == env)
        whole = np.full(-(-len(rows) // length) * length, -1)
        whole[: len(rows)] = rows
        sequences.append(whole.reshape(-1, length))
    return np.concatenate(sequences)


def padded(rows: Batch, sequences: torch.Tensor) -> Batch:
    """The batch of these sequences: columns ``(B, T, …)``, `mask` ``(B, T)``, and ``state.NAME`` ``(B, …)`` before the first step of each.

    Args:
        rows: ``(N, …)`` each.
        sequences: Row numbers ``(B, T)``, -1 for padding. Padded steps repeat the first row, and no episode begins there.
    """
    mask = sequences >= 0
    index = sequences.clamp(min=0)
    columns = {name: column[index[:, 0]] if name.startswith("state.") else column[index] for name, column in rows.items()}
    columns["is_first"] &= mask
    return Batch(columns, mask=mask)
