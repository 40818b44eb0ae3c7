"""The columnar store: one array for each column, one ring of slots for each environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space

Array = np.ndarray[Any, Any]

#: Names of columns that batches have beside those of the store.
RESERVED = ("obs", "next_obs", "future_obs", "future_action", "future_mask", "discount", "index", "weight", "boundary", "mask", "features")


@dataclass(frozen=True)
class Column:
    """Shape and NumPy type of one slot's value."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def columns_of(observations: Mapping[str, Space], action: Space, extra: Mapping[str, Space] | None = None) -> dict[str, Column]:
    """The columns of a slot: its observation, the action taken there and the result of the action.

    ``last`` marks a slot without an action: the last observation of an episode, or the newest one of an episode that goes on. ``step`` is
    the number of the slot within its episode.

    Args:
        observations: `Spec.spaces`.
        action: The space of stored actions.
        extra: Further columns of a step: those of the task (`Spec.columns`) and those of the agent.

    Raises:
        UsageError: If an extra column has the name of another column.
    """
    kind = "float32" if np.dtype(action.dtype).kind == "f" else "int64"
    columns = {
        **{name: Column(space.shape, space.dtype) for name, space in observations.items()},
        "action": Column(action.shape, kind),
        "reward": Column((), "float32"),
        "terminated": Column((), "bool"),
        "last": Column((), "bool"),
        "step": Column((), "int32"),
    }
    if taken := [name for name in extra or () if name in columns or name.partition(".")[0] in RESERVED]:
        raise UsageError(Problem(f"a step cannot have an extra column {taken[0]!r}: batches use this name", "another name"))
    return {**columns, **{name: Column(space.shape, space.dtype) for name, space in (extra or {}).items()}}


#: Columns that every store has beside its observations.
_OWN = ("action", "reward", "terminated", "last", "step")


def slots_of(capacity: int, num_envs: int) -> int:
    """Slots of a store of at least this capacity: all lanes are equally long."""
    return -(-capacity // num_envs) * num_envs


class Backing(Protocol):
    """Allocates the columns of a store."""

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """An array of zeros."""
        ...


class Store:
    """Slots in `lanes` rings of equal length; an episode of T steps takes T + 1 consecutive slots, so that its last observation exists.

    Slots are counted from the start of a lane and never renumbered; slot s of lane l lies at ``l * length + s % length``, its *index*.

    Args:
        columns: Name and form of each column.
        capacity: Slots in all; rounded up to a multiple of `lanes`.
        num_envs: Rings, one for each environment.
        backing: That allocates the arrays.

    Attributes:
        head: For each lane ``(lanes,)``, slots written so far.
        tail: The oldest slot still intact.
        start: The first slot of the newest episode.
        open: Whether the newest episode goes on: its newest slot waits for an action.
        sealed: Slots below it are on disk in their final form.
        held: Transitions: slots with an action.
    """

    def __init__(self, columns: Mapping[str, Column], capacity: int, num_envs: int, backing: Backing) -> None:
        self.columns, self.num_envs = dict(columns), num_envs
        #: Columns of the observation: ``obs``, or ``obs.NAME`` for each name.
        self.observations = tuple(name for name in self.columns if name.partition(".")[0] == "obs")
        #: Columns that task and agent add.
        self.extra = tuple(name for name in self.columns if name not in (*self.observations, *_OWN))
        self.slots = slots_of(capacity, num_envs)
        self.length = self.slots // num_envs
        self._base = np.arange(num_envs) * self.length
        self.data: dict[str, Array] = {
            name: backing.allocate(name, (self.slots, *column.shape), column.dtype) for name, column in self.columns.items()
        }
        #: For each slot of an episode before the newest one, the last slot of this episode.
        self._end = np.zeros(self.slots, np.int64)
        self.clear()

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot."""
        return sum(column.bytes for column in self.columns.values())

    def clear(self) -> None:
        """Forget every slot."""
        self.head, self.tail, self.start, self.flushed, self.held = (np.zeros(self.num_envs, np.int64) for _ in range(5))
        self.open = np.zeros(self.num_envs, bool)
        self._derived: dict[str, tuple[bytes, Array]] = {}

    def index(self, env_id: Array | int, slot: Array | int) -> Array:
        """Where slots lie in the columns."""
        index: Array = np.asarray(env_id) * self.length + np.asarray(slot) % self.length
        return index

    # Writing --------------------------------------------------------------------------------------------------------------------

    def begin(self, env_id: Array, observation: Array) -> Array:
        """Open an episode in each of the lanes ``(m,)`` with its first observation ``(m, *obs)``; returns the indices written."""
        for one in map(int, np.asarray(env_id)):
            self._note_end(one, int(max(self.start[one], self.tail[one])), int(self.head[one]))
        self.start[env_id] = self.head[env_id]
        self.open[env_id] = True
        return self._push(env_id, observation, np.zeros(len(env_id), np.int32))

    def append(
        self,
        env_id: Array | slice,
        action: Array,
        reward: Array,
        terminated: Array,
        over: Array,
        observation: Array,
        extra: Mapping[str, Array] | None = None,
    ) -> tuple[Array, Array]:
        """One step in each of the lanes ``(m,)``: what was done in the newest slot, and the observation ``(m, *obs)`` that came of it.

        `terminated` says that what follows counts for nothing, `over` that the episode ended; a lost life is the one without the other.
        The slice of all lanes costs less than their numbers.

        Returns:
            The indices of the slots that became transitions, and of those that hold the new observations.
        """
        newest = self.head[env_id] - 1
        index = self._base[env_id] + newest % self.length
        self.data["action"][index] = action
        self.data["reward"][index] = reward
        self.data["terminated"][index] = terminated
        self.data["last"][index] = False
        for name, values in (extra or {}).items():
            self.data[name][index] = values
        self.held[env_id] += 1
        self.flushed[env_id] = np.minimum(self.flushed[env_id], newest)
        written = self._push(env_id, observation, self.data["step"][index] + 1)
        self.open[env_id] = ~np.asarray(over)
        return index, written

    def _push(self, env_id: Array | slice, observation: Array, step: Array) -> Array:
        head = self.head[env_id]
        index: Array = self._base[env_id] + head % self.length
        overwrites = head - self.length >= self.tail[env_id]
        self.held[env_id] -= overwrites & ~self.data["last"][index]
        self.tail[env_id] += overwrites
        for name in self.observations:
            self.data[name][index] = observation if name == "obs" else observation[name.removeprefix("obs.")]
        self.data["action"][index] = 0
        self.data["reward"][index] = 0
        self.data["terminated"][index] = False
        self.data["last"][index] = True
        self.data["step"][index] = step
        self.head[env_id] = head + 1
        return index

    def discard(self, env_id: int) -> Array:
        """Drop the rows of the lane's newest episode, if it goes on; returns their indices."""
        if not self.open[env_id]:
            return np.zeros(0, np.int64)
        start, first = int(self.start[env_id]), max(int(self.start[env_id]), int(self.tail[env_id]))
        slots = np.arange(first, self.head[env_id])
        self.held[env_id] -= len(slots) - 1
        self.head[env_id] = start
        self.tail[env_id] = min(self.tail[env_id], start)
        self.flushed[env_id] = min(self.flushed[env_id], start)
        self.open[env_id] = False
        return self.index(env_id, slots)

    # Episodes -------------------------------------------------------------------------------------------------------------------

    def _note_end(self, env_id: int, start: int, stop: int) -> None:
        """The slots from `start` up to `stop` are of one episode, which ends with them; none if it was discarded."""
        if start < stop:
            for run in self._runs(env_id, start, stop):
                self._end[run] = stop - 1

    def episodes(self, index: Array) -> tuple[Array, Array]:
        """The first and the last slot of the episodes that slots belong to, as far as they are held.

        The last slot holds the final observation, or the newest one of an episode that goes on.

        Args:
            index: Indices ``(B,)`` of slots that are held.

        Returns:
            Slots ``(B,)`` as numbers within their rings, like those at `index`: ``slot(index)``.
        """
        env_id, slot = index // self.length, self.slot(index)
        last = np.where(slot >= self.start[env_id], self.head[env_id] - 1, self._end[index])
        return np.maximum(self.tail[env_id], slot - self.data["step"][index]), last

    def derived(self, name: str, compute: Callable[[Store], Array]) -> Array:
        """What `compute` makes of all slots; it is called again only when slots were written since: for replays that stay as they are."""
        version = b"".join(each.tobytes() for each in (self.head, self.tail, self.held))
        if name not in self._derived or self._derived[name][0] != version:
            self._derived[name] = (version, compute(self))
        return self._derived[name][1]

    def slot(self, index: Array) -> Array:
        """The number within its ring of each slot at `index` ``(B,)`` that is held: it grows by one with each slot written."""
        env_id, position = np.divmod(index, self.length)
        tail = self.tail[env_id]
        slot: Array = tail + (position - tail) % self.length
        return slot

    # Runs of slots --------------------------------------------------------------------------------------------------------------

    def _runs(self, env_id: int, start: int, stop: int) -> Iterator[slice]:
        """Where the slots from `start` up to `stop` lie, at most a ring's length of them: one piece or two."""
        base, first, count = env_id * self.length, start % self.length, stop - start
        upper = min(count, self.length - first)
        yield slice(base + first, base + first + upper)
        if count > upper:
            yield slice(base, base + count - upper)

    def read(self, env_id: int, start: int, stop: int) -> dict[str, list[Array]]:
        """Each column's values in these slots, in one or two pieces that are views of the store."""
        runs = list(self._runs(env_id, start, stop))
        return {name: [array[run] for run in runs] for name, array in self.data.items()}

    def write(self, env_id: int, start: int, columns: Mapping[str, Array]) -> None:
        """Put values into the slots from `start` on; the counters are the caller's."""
        count = len(columns["last"])
        if count > self.length:
            columns = {name: values[count - self.length :] for name, values in columns.items()}
            start, count = start + count - self.length, self.length
        for name, values in columns.items():
            done = 0
            for run in self._runs(env_id, start, start + count):
                self.data[name][run] = values[done : done + run.stop - run.start]
                done += run.stop - run.start

    def recount(self) -> None:
        """Count `held` and find the ends of episodes anew, after slots were written from outside."""
        for env_id in range(self.num_envs):
            tail, head = int(self.tail[env_id]), int(self.head[env_id])
            last = np.concatenate([np.zeros(0, bool), *self.read(env_id, tail, head)["last"]])
            self.held[env_id] = int((~last).sum())
            start = tail
            for stop in (np.flatnonzero(last) + tail + 1).tolist():
                self._note_end(env_id, start, stop)
                start = stop
