"""What both levels learn from: steps, each with the decision of the high level that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.replay import Batch, Transitions, gather_observations, gather_transitions

if TYPE_CHECKING:
    from unified.replay import Array, Gatherer, Store


@dataclass(frozen=True)
class Decisions(Transitions):
    """Transitions of one step, and with each the decision it belongs to: up to c steps from one choice of a goal to the next.

    A row has the step's own columns, and of the decision

    | column | shape | what |
    |---|---|---|
    | `path` | `(B, c + 1, D)` | observations from the choice to the next one; after an end the last one again |
    | `path_action` | `(B, c, A)` | the actions between them, 0 after an end |
    | `path_mask` | `(B, c)` | 1 where there was such a step |
    | `path_goal` | `(B, G)` | the goal that was chosen |
    | `path_reward` | `(B,)` | sum of the rewards |
    | `path_discount` | `(B,)` | γ, or 0 where the episode terminated |

    Steps whose decision is not complete yet, or has begun before the oldest slot that is held, are not eligible. So a decision is drawn in
    proportion to its steps; all have c but the last of an episode.

    Args:
        interval: c.
    """

    interval: int = 10

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, "path", "path_action", "path_mask", "path_goal", "path_reward", "path_discount")

    @property
    def window(self) -> int:
        return self.stack + self.interval

    def eligible(self, store: Store, env_id: Array, slot: Array) -> Array:
        found = super().eligible(store, env_id, slot)
        rows = np.flatnonzero(found)
        if len(rows):
            index = store.index(env_id[rows], slot[rows])
            first, last = store.episodes(index)
            begins = slot[rows] - store.data["clock"][index]
            goes_on = store.open[env_id[rows]] & (last == store.head[env_id[rows]] - 1)
            found[rows] = (begins >= first) & (~goes_on | (begins + self.interval <= last))
        return found

    def count(self, store: Store) -> int:
        total = 0
        for env_id in range(store.num_envs):
            slot = np.arange(store.tail[env_id], store.head[env_id])
            total += int(self.eligible(store, np.full(len(slot), env_id), slot).sum())
        return total

    def gather(self, store: Store, index: Array, gatherer: Gatherer) -> Batch:
        data, env_id = store.data, index // store.length
        begins, (_, last) = store.slot(index) - data["clock"][index], store.episodes(index)
        slots = np.minimum(begins[:, None] + np.arange(self.interval + 1), last[:, None])  # (B, c + 1)
        at = store.index(env_id[:, None], slots)
        taken = slots[:, 1:] > slots[:, :-1]
        terminated = data["terminated"][at[:, :-1]] & taken
        taken[:, 1:] &= ~np.logical_or.accumulate(terminated, axis=1)[:, :-1]  # a lost life ends it too
        actions = data["action"][at[:, :-1]]
        path = Batch(gather_observations(store, at, 1, gatherer)).joined().obs
        decisions = {
            "path": path,
            "path_action": torch.from_numpy(actions * taken[..., None].astype(actions.dtype)),
            "path_mask": torch.from_numpy(taken.astype(np.float32)),
            "path_goal": torch.from_numpy(data["subgoal"][at[:, 0]]),
            "path_reward": torch.from_numpy((data["reward"][at[:, :-1]] * taken).sum(axis=1, dtype=np.float32)),
            "path_discount": torch.from_numpy(np.where(terminated.any(axis=1), np.float32(0), np.float32(self.discount))),
        }
        return Batch({**gather_transitions(self, store, index, gatherer), **decisions})
