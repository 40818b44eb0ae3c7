"""From slots to batches: windows, ends and stacks as index arithmetic, then one gather of frames. No Python loop over rows."""

from __future__ import annotations

import math
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from unified.core.base.cores import usable_cores
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store


#: Bytes that one thread gathers at a time; less than two of them are not worth a second thread.
PIECE = 4_000_000
#: Bytes of several batches that are gathered at once: it saves calls where batches are small, and memory where they are not.
AT_ONCE = 32_000_000


class Gatherer:
    """Gathers rows of an array into tensors, with a few threads, in memory that is used again once no tensor refers to it any more.

    Fresh memory of a batch's size costs as much in page faults as the copy itself. A lease is a NumPy view, which the tensor made of it
    keeps alive (through slices, through autograd); only when the lease is gone may its array be written again.

    Args:
        pin: Page-locked memory for copies to a GPU. There torch's own allocator does the same, and waits for copies under way.
        limit: Arrays kept at most; with more in use, further ones are fresh.
        threads: That copy; by default as many as there are cores, of which four fill a memory bus.
    """

    def __init__(self, pin: bool = False, limit: int = 4, threads: int | None = None) -> None:
        self.pin, self.limit = pin, limit
        self.threads = threads or min(usable_cores(), 4)
        self._leases: list[tuple[Array, weakref.ref[Array]]] = []
        self._pool: ThreadPoolExecutor | None = None

    def wrote(self, index: Array) -> None:
        """The slots at `index` ``(m,)`` were written. Nothing is to be done where rows are gathered from the store itself."""

    def take(self, source: Array, rows: Array, shape: tuple[int, ...]) -> torch.Tensor:
        """``source[rows]`` as a tensor of `shape`; `rows` ``(K,)`` are in range."""
        tensor, out = self._memory(shape, source.dtype)
        width = math.prod(source.shape[1:])  # -1 cannot be inferred where there are no rows
        source, out = source.reshape(len(source), width), out.reshape(len(rows), width)
        size = max(PIECE // max(out[:1].nbytes, 1), 1)
        pieces = iter([slice(start, start + size) for start in range(0, len(rows), size)])

        def work() -> None:
            for piece in pieces:
                # clip, because any other mode gathers into a temporary array first. NumPy and not index_select, whose threads wait for each
                # other: it takes five times as long when another process has one of the cores.
                np.take(source, rows[piece], axis=0, out=out[piece], mode="clip")

        helpers = []
        if self.threads > 1 and len(rows) > size:
            self._pool = self._pool or ThreadPoolExecutor(self.threads - 1, "replay")
            helpers = [self._pool.submit(work) for _ in range(self.threads - 1)]
        work()
        for helper in helpers:
            if not helper.cancel():  # one that got no core yet has nothing left to do
                helper.result()
        return tensor

    def _memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[torch.Tensor, Array]:
        """An uninitialised tensor and the array that shares its memory."""
        if self.pin:
            raw = torch.empty(math.prod(shape) * dtype.itemsize, dtype=torch.uint8, pin_memory=True)
            kind = torch.from_numpy(np.empty(0, dtype)).dtype
            return raw.view(kind).reshape(shape), raw.numpy().view(dtype).reshape(shape)
        for number, (base, user) in enumerate(self._leases):
            if user() is None and base.shape == shape and base.dtype == dtype:
                lease = base[...]
                self._leases[number] = (base, weakref.ref(lease))
                return torch.from_numpy(lease), lease
        base = np.empty(shape, dtype)
        lease = base[...]
        self._leases = [kept for kept in self._leases if kept[1]() is not None or kept[0].shape == shape][-self.limit + 1 :]
        self._leases.append((base, weakref.ref(lease)))
        return torch.from_numpy(lease), lease


class Window(Protocol):
    """What is read of a view of n-step transitions."""

    @property
    def stack(self) -> int: ...
    @property
    def n_step(self) -> int: ...
    @property
    def discount(self) -> float: ...
    @property
    def future_steps(self) -> int: ...
    @property
    def window(self) -> int: ...


def eligible_transitions(view: Window, store: Store, env_id: Array, slot: Array) -> Array:
    """Slots with an action, whose stack is intact and whose window does not pass the write head of an episode that goes on."""
    index = store.index(env_id, slot)
    oldest = slot - np.minimum(store.data["step"][index], view.stack - 1)
    limit = np.where(store.open, np.maximum(store.start, store.head - view.n_step), store.head)
    ok: Array = ~store.data["last"][index] & (oldest >= store.tail[env_id]) & (slot < limit[env_id])
    return ok


def count_transitions(view: Window, store: Store) -> int:
    """Eligible slots: all transitions but those at the edges of each lane, which are looked at one by one."""
    edge = view.window
    env_ids, slots, outside = [], [], 0
    for env_id in range(store.num_envs):
        tail, head = int(store.tail[env_id]), int(store.head[env_id])
        low, high = min(tail + edge, head), max(head - edge, min(tail + edge, head))
        near = np.concatenate([np.arange(tail, low), np.arange(high, head)])
        env_ids.append(np.full(len(near), env_id))
        slots.append(near)
        outside += int(store.held[env_id])
    lane_of, slot = np.concatenate(env_ids), np.concatenate(slots)
    near_transitions = int((~store.data["last"][store.index(lane_of, slot)]).sum())
    return outside - near_transitions + int(eligible_transitions(view, store, lane_of, slot).sum())


def windows(view: Window, store: Store, index: Array) -> tuple[Array, Array]:
    """The slots of n-step rows that begin at `index` ``(B,)``, and which of their steps belong to the row.

    Returns:
        Indices of n + 1 slots in a row, ``(n + 1, B)``, and whether step k belongs to the row, bool ``(n, B)``: a row ends with its episode
        and with a step that terminated (a lost life). The slot after its last step holds the observation that it bootstraps from.
    """
    length, data = store.length, store.data
    position = index % length
    at: Array = index - position + (position + np.arange(view.n_step + 1)[:, None]) % length
    ended = data["last"][at[1:-1]] | data["terminated"][at[:-2]]
    inside = np.ones((view.n_step, len(index)), bool)
    inside[1:] = np.logical_and.accumulate(~ended, axis=0)
    return at, inside


def gather_transitions(view: Window, store: Store, index: Array, gatherer: Gatherer) -> Batch:
    """Rows of n-step transitions, with the `future_steps` after them if the view has some.

    reward = Σ_{k<m} γᵏ rₖ and discount = γᵐ, where m is n or, if the episode ends before, the steps to its end; 0 if it terminated there.
    A row that terminated ends the sum also where the episode goes on (a lost life).
    """
    data = store.data
    powers = (view.discount ** np.arange(view.n_step + 1)).astype(np.float32)
    at, inside = windows(view, store, index)
    reward = data["reward"][index].astype(np.float32)
    for k in range(1, view.n_step):
        reward += np.where(inside[k], powers[k] * data["reward"][at[k]], np.float32(0))
    if view.n_step == 1:
        steps, end, terminated = 1, at[1], data["terminated"].take(index)
    else:
        steps = inside.sum(axis=0)
        rows = np.arange(len(index))
        end, terminated = at[steps, rows], data["terminated"][at[steps - 1, rows]]
    discount = np.where(terminated, np.float32(0), powers[steps])
    frames = gather_observations(store, np.stack([index, end]), view.stack, gatherer)
    batch = Batch(
        {
            **{name: both[0] for name, both in frames.items()},
            "action": torch.from_numpy(data["action"].take(index, axis=0)),
            "reward": torch.from_numpy(reward),
            "discount": torch.from_numpy(discount),
            **{f"next_{name}": both[1] for name, both in frames.items()},
            "index": torch.from_numpy(index),
            **{name: torch.from_numpy(data[name].take(index, axis=0)) for name in store.extra},
        }
    )
    if view.future_steps:
        batch.update(gather_future(view, store, index, gatherer))
    return batch


def gather_future(view: Window, store: Store, index: Array, gatherer: Gatherer) -> dict[str, torch.Tensor]:
    """The K steps that followed each slot ``(B,)``, within its episode: `future_obs`, `future_action`, `future_mask` as in `Batch`.

    Beyond the last slot of the episode, or the newest one of an episode that goes on, that slot is repeated, with mask and action 0.
    """
    last, length = store.data["last"], store.length
    at = [index]
    for _ in range(view.future_steps):
        position = at[-1] % length
        at.append(np.where(last[at[-1]], at[-1], at[-1] - position + (position + 1) % length))
    before, after = np.stack(at[:-1], axis=1), np.stack(at[1:], axis=1)  # (B, K)
    return {
        **{f"future_{name}": frames for name, frames in gather_observations(store, after, view.stack, gatherer).items()},
        "future_action": torch.from_numpy(store.data["action"][before]),
        "future_mask": torch.from_numpy((~last[before]).astype(np.float32)),
    }


def gather_observations(store: Store, index: Array, stack: int, gatherer: Gatherer) -> dict[str, torch.Tensor]:
    """The observations at `index` ``(...)`` by column, each as `gather_stacks` returns it."""
    rows = _stacked_rows(store, index, stack)
    return {name: _take(store, index.shape, rows, stack, gatherer, name) for name in store.observations}


def gather_stacks(store: Store, index: Array, stack: int, gatherer: Gatherer, column: str = "obs") -> torch.Tensor:
    """Observations at `index` ``(...)`` with those before them, ``(..., stack * C, H, W)``: one gather, straight into its place."""
    return _take(store, index.shape, _stacked_rows(store, index, stack), stack, gatherer, column)


def _stacked_rows(store: Store, index: Array, stack: int) -> Array:
    """Where the frames of the stacks at `index` ``(K)`` lie, ``(K * stack,)``."""
    if stack == 1:
        return index.ravel()
    length = store.length
    position = index % length
    back = np.minimum(store.data["step"][index][..., None], np.arange(stack - 1, -1, -1))
    rows: Array = (index - position)[..., None] + (position[..., None] - back) % length
    return rows.ravel()


def _take(store: Store, shape: tuple[int, ...], rows: Array, stack: int, gatherer: Gatherer, column: str) -> torch.Tensor:
    """The frames at `rows` of a column, joined to stacks of this shape."""
    frames = store.data[column]
    first = frames.shape[1:]
    joined = (stack * first[0], *first[1:]) if first else (stack,)
    return gatherer.take(frames, rows, (*shape, *joined))
