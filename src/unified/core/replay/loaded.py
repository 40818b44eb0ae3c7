"""What is made of the rows of a loaded replay: the best of its episodes, and other rewards. No Python loop over rows."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store


@dataclass(frozen=True)
class Loading:
    """How the rows of a loaded replay are changed; by default not at all.

    Args:
        top: Share of the whole episodes that are kept, those of greatest return.
        return_range: Distance between the greatest and the least return of an episode, to which rewards are scaled; ``None``: as it is.
        reward_scale: Factor on rewards.
        reward_shift: Number that is added to each reward afterwards.
    """

    top: float = 1.0
    return_range: float | None = None
    reward_scale: float = 1.0
    reward_shift: float = 0.0

    def apply(self, store: Store, unfinished: Collection[tuple[int, int]] = ()) -> None:
        """Change the rows of a store that holds nothing but loaded ones.

        Args:
            store: Of the rows.
            unfinished: Ring and first slot of each episode that was still going on when it was saved.

        Raises:
            UsageError: If no episode is whole, or all have the same return and are to be scaled by it.
        """
        if self.top < 1.0:
            keep_best(store, self.top, unfinished)
            unfinished = ()  # what is left is whole
        scale = self.reward_scale
        if self.return_range is not None:
            returns = whole_episodes(store, unfinished)[3]
            if not len(returns) or returns.max() == returns.min():
                what = "replay.return_range: the whole episodes of this replay do not differ in their return"
                raise UsageError(Problem(what, "leave it out, or replay.reward_scale=…"))
            scale *= self.return_range / float(returns.max() - returns.min())
        if scale != 1.0 or self.reward_shift:
            for env_id in range(store.num_envs):
                pieces = store.read(env_id, int(store.tail[env_id]), int(store.head[env_id]))
                for reward, last in zip(pieces["reward"], pieces["last"], strict=True):
                    np.multiply(reward, np.float32(scale), out=reward, where=~last)
                    np.add(reward, np.float32(self.reward_shift), out=reward, where=~last)


def whole_episodes(store: Store, unfinished: Collection[tuple[int, int]] = ()) -> tuple[Array, Array, Array, Array]:
    """The episodes that are held from their first slot to their end, ring by ring in the order of time.

    An episode that was cut off by saving is not whole: where each step costs something, its return would be the best of all.

    Returns:
        Ring, first and last slot, and return of each, ``(N,)``; returns are in float64.
    """
    cut_off = set(unfinished)
    found: list[tuple[int, int, int, float]] = []
    for env_id in range(store.num_envs):
        tail, head = int(store.tail[env_id]), int(store.head[env_id])
        if tail == head:
            continue
        pieces = store.read(env_id, tail, head)
        last, step, reward = (np.concatenate(pieces[name]) for name in ("last", "step", "reward"))
        ends = np.flatnonzero(last)
        first = np.append(0, ends + 1)[: len(ends)]
        if not len(ends):
            continue
        returns = np.add.reduceat(reward[: ends[-1] + 1], first, dtype=np.float64)
        whole = (step[first] == 0) & (ends > first)  # a slot alone is an episode without a step
        if store.open[env_id]:
            whole[-1] &= bool(tail + first[-1] != store.start[env_id])
        found += [
            (env_id, tail + int(begin), tail + int(end), float(value))
            for begin, end, value in zip(first[whole], ends[whole], returns[whole], strict=True)
            if (env_id, tail + int(begin)) not in cut_off
        ]
    rings, begins, stops, returns = (np.array(column) for column in zip(*found, strict=True)) if found else (np.zeros(0),) * 4
    return rings.astype(np.int64), begins.astype(np.int64), stops.astype(np.int64), returns.astype(np.float64)


def keep_best(store: Store, share: float, unfinished: Collection[tuple[int, int]] = ()) -> None:
    """Keep the share of whole episodes with the greatest returns, at least one; of equal ones the earlier. All other rows are forgotten.

    Raises:
        UsageError: If no episode is whole.
    """
    rings, begins, stops, returns = whole_episodes(store, unfinished)
    if not len(returns):
        raise UsageError(Problem(f"replay.top={share:g} keeps the best whole episodes, and this replay holds none", "leave it out"))
    count = max(1, math.ceil(share * len(returns) - 1e-9))
    best = np.sort(np.argsort(-returns, kind="stable")[:count])
    for env_id in range(store.num_envs):
        own = best[rings[best] == env_id]
        kept = np.concatenate([np.zeros(0, np.int64), *(np.arange(begins[each], stops[each] + 1) for each in own)])
        index, tail = store.index(env_id, kept), int(store.tail[env_id])
        if len(kept):
            store.write(env_id, tail, {name: values[index] for name, values in store.data.items()})
        store.head[env_id] = store.start[env_id] = tail + len(kept)
    store.open[:] = False
    store.recount()
