"""The replay: store, view, sampler, backing and segments behind one interface for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.errors import Damaged, Problem, StorageError, UnifiedError, UsageError
from unified.core.base.files import reason
from unified.core.envs.step_batch import some
from unified.core.replay import saved as named
from unified.core.replay import segments
from unified.core.replay.backing import make_backing
from unified.core.replay.batch import Batch
from unified.core.replay.device import DeviceGatherer
from unified.core.replay.gather import AT_ONCE, Gatherer
from unified.core.replay.late import LatePriorities
from unified.core.replay.loaded import Loading
from unified.core.replay.samplers import Sampler, Uniform
from unified.core.replay.saved_index import check_free
from unified.core.replay.store import Store, columns_of

if TYPE_CHECKING:
    from unified.core.base.rng import Streams
    from unified.core.base.spec import Space, Spec
    from unified.core.envs.step_batch import StepBatch
    from unified.core.envs.suite import Suite
    from unified.core.replay.segments import Snapshot
    from unified.core.replay.store import Array
    from unified.core.replay.views import View

#: Loaded rows stay as they are.
AS_IT_IS = Loading()
#: Rows that are looked at together where all of them are: a number for each takes as much memory as a small observation.
PORTION = 65_536


class Replay:
    """Stores the experience of n environments and makes batches of it.

    Args:
        spec: Of the task; a slot holds one observation of it, a single frame, and its further columns.
        view: The form of a batch.
        capacity: Slots, of all environments together. An episode of T steps takes T + 1.
        num_envs: Environments; each has a ring of its own, all equally long.
        streams: Batches are drawn from the stream ``"replay"``.
        backing: ``"ram"`` or ``"disk"``.
        directory: Of the segments and, with ``backing="disk"``, of the working files.
        action: The space of stored actions; by default that of the spec.
        sampler: Chooses the rows; by default `Uniform`. It is set up here.
        pin: Whether batches lie in page-locked memory, for copies to a GPU; by default if there is a GPU.
        extra: Further columns of a step that come with the agent's action (`Action.extra`).
        suite: Of the task, for samplers that relabel goals.
        updates: Updates of the whole run, for schedules over the budget; ``None`` if unknown.
        device: Keeps a copy of the observations, and gathers those of batches, which lie there; ``None``: the CPU, without a copy.

    Raises:
        UsageError: If the capacity is too small for a single row of the view, or the sampler cannot work with this view or task.
    """

    def __init__(
        self,
        spec: Spec,
        view: View,
        capacity: int,
        num_envs: int,
        streams: Streams,
        backing: str = "ram",
        directory: str | Path | None = None,
        action: Space | None = None,
        sampler: Sampler | None = None,
        pin: bool | None = None,
        extra: Mapping[str, Space] | None = None,
        suite: Suite | None = None,
        updates: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        if capacity < num_envs * view.window:
            raise UsageError(
                Problem(
                    f"replay.capacity={capacity} is too small for {num_envs} environments and windows of {view.window} slots",
                    f"replay.capacity={num_envs * view.window} at least",
                )
            )
        self.spec, self.view, self.streams = spec, view, streams
        self.directory = Path(directory) if directory is not None else None
        self.extra = tuple(extra or ())
        columns = columns_of(spec.spaces, action or spec.action, {**spec.columns, **(extra or {})})
        self.store = Store(columns, capacity, num_envs, make_backing(backing, directory))
        #: Slots of each lane ``(lanes,)`` below which a view that consumes has seen everything.
        self.consumed = np.zeros(num_envs, np.int64)
        self.sampler = sampler or Uniform()
        self.sampler.setup(self.store, view, suite=suite, updates=updates)
        self._late = LatePriorities(self.sampler.lag)
        pin = torch.cuda.is_available() if pin is None else pin
        self.gatherer = Gatherer(pin) if device is None else DeviceGatherer(self.store, device)
        self._segments: list[dict[str, Any]] = []  # of the last cut
        self._flushed_to: Path | None = None

    # Experience comes in --------------------------------------------------------------------------------------------------------

    def begin(self, env_id: int, observation: Array) -> None:
        """Open an episode of an environment with its first observation ``(*obs)``; an unfinished episode there counts as truncated."""
        self._begin(np.array([env_id]), np.asarray(observation)[None])

    def add(
        self,
        env_id: int,
        action: Array,
        reward: float,
        terminated: bool,
        truncated: bool,
        next_observation: Array,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """One step of an environment: the action at its newest observation, the true next observation ``(*obs)`` and extra columns."""
        one = np.array([env_id])
        step = (np.asarray(action)[None], np.array([reward]), np.array([terminated]), np.array([terminated or truncated]))
        self._append(
            one, *step, np.asarray(next_observation)[None], {name: np.asarray(value)[None] for name, value in (extra or {}).items()}
        )

    def discard(self, env_id: int) -> None:
        """Drop the rows of the environment's current episode; a new one has to begin."""
        self._remove(self.store.discard(env_id))
        self.consumed[env_id] = min(self.consumed[env_id], self.store.head[env_id])

    def extend(self, actions: Array, steps: StepBatch, extra: Mapping[str, Array] | None = None) -> None:
        """Add one step of all environments, or of those in ``steps.env_ids``.

        Where an episode ended, the next one is opened with its first observation. Where it failed, its rows are dropped before that,
        unless it was interrupted: then they stay, truncated at the last observation.

        Args:
            actions: Stored actions ``(n, *action)``.
            steps: Their results.
            extra: Further columns ``(n, …)``.
        """
        all_rows = slice(None)
        good: Array | slice = np.flatnonzero(~steps.failed) if some(steps.failed) else all_rows
        lanes = all_rows if good is all_rows and steps.env_ids is None else steps.ids[good]
        worthless = steps.terminated | steps.life_lost
        step = (actions[good], steps.reward[good], worthless[good], steps.over[good], steps.observation[good])
        if len(step[0]):
            self._append(lanes, *step, {name: values[good] for name, values in {**steps.extra, **(extra or {})}.items()})
        if not steps.any_over:
            return
        ids, fresh = steps.ids, np.flatnonzero(steps.over)
        for env_id in ids[steps.failed & ~steps.interrupted]:
            self.discard(int(env_id))
        self._begin(ids[fresh], steps.reset_observation[fresh])

    def _begin(self, env_id: Array, observation: Array) -> None:
        written = self.store.begin(env_id, observation)
        self.gatherer.wrote(written)
        self._remove(written)

    def _append(
        self,
        env_id: Array | slice,
        action: Array,
        reward: Array,
        terminated: Array,
        over: Array,
        observation: Array,
        extra: Mapping[str, Array] | None = None,
    ) -> None:
        if some(~self.store.open[env_id]):
            raise RuntimeError("a step was added to an environment whose episode has ended: begin the next one first")
        completed, written = self.store.append(env_id, action, reward, terminated, over, observation, extra or {})
        self.gatherer.wrote(written)
        self._remove(written)
        self.sampler.add(completed)

    def _remove(self, index: Array) -> None:
        self._late.remove(index)
        self.sampler.remove(index)

    # Batches go out -------------------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is a row to sample."""
        return self.view.ready(self.store)

    def sample(self) -> Batch:
        """The next batch, on the CPU but for observations with a `device`: ``(B, …)``, frames in uint8, `index` int64, `weight` float32.

        It is a function of the rows held, the run's seed and the number of batches drawn before.

        Raises:
            UnifiedError: If there is no row to sample yet.
        """
        (batch,) = self.samples(1)
        return batch

    def samples(self, count: int) -> Iterator[Batch]:
        """The next `count` batches: those that `sample` returns one after the other if nothing is added or removed meanwhile.

        Small ones are gathered together, unless priorities may change what the next one is.
        """
        bytes_each = self.view.batch_size * self.store.slot_bytes * 2 * self.view.window
        together = 1 if self.sampler.prioritises else max(1, AT_ONCE // bytes_each)
        for first in range(0, count, together):
            yield from self._gathered(min(together, count - first))

    def _gathered(self, count: int) -> Iterator[Batch]:
        if not self.ready:
            raise UnifiedError("the replay holds no transition to sample yet")
        size = self.view.batch_size
        generators = [self.streams["replay"].numpy() for _ in range(count)]
        drawn = [self.sampler.sample(self.store, self.view, size, generator) for generator in generators]
        index, weight = (each[0] if count == 1 else np.concatenate(each) for each in zip(*drawn, strict=True))
        batch = self.view.gather(self.store, index, self.gatherer)
        batch["weight"] = torch.from_numpy(weight)
        parts = [batch] if count == 1 else batch.parts([size] * count)
        for part, generator in zip(parts, generators, strict=True):
            yield self.sampler.relabel(part, self.store, self.view, generator)

    def batches(self, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
        """The batches of `count` updates that are due, as the view gives them; `prepare` is the agent's."""
        return self.view.batches(self, count, prepare)

    def consume(self) -> None:
        """A view that shows each row only once has shown everything that is held."""
        # The newest slot of an episode that goes on waits for its action: it is shown the next time.
        self.consumed = self.store.head - self.store.open

    def update_priorities(self, index: torch.Tensor, priority: torch.Tensor) -> None:
        """Tell the sampler the priorities ``(B,)`` that an update found for the rows at `index`, `Sampler.lag` updates later."""
        if not self.sampler.prioritises:
            return
        for rows, values in self._late.exchange(index, priority):
            self.sampler.update_priorities(rows, values)

    @property
    def steps(self) -> int:
        """Transitions held."""
        return int(self.store.held.sum())

    @property
    def bytes(self) -> int:
        """Bytes of the slots used so far."""
        return int(np.minimum(self.store.head, self.store.length).sum()) * self.store.slot_bytes

    # What lasts -----------------------------------------------------------------------------------------------------------------

    def flush(self, directory: str | Path) -> Snapshot:
        """Write the rows that are new since the last seal; returns the cut to give to `restore`, JSON data.

        Raises:
            UnifiedError: If they cannot be written; what was sealed before is intact.
        """
        directory = Path(directory)
        if directory != self._flushed_to:
            self.store.flushed[:] = 0
            self._segments = []
        snapshot = segments.flush(self.store, directory, self._segments)
        self._segments, self._flushed_to = snapshot["segments"], directory
        try:
            named.write_index(directory, snapshot, self._about())
        except OSError as error:
            raise StorageError(Problem(f"the replay could not be saved in {directory}: {reason(error)}", "free some space")) from error
        return snapshot

    def restore(self, directory: str | Path, snapshot: Mapping[str, Any]) -> None:
        """Hold exactly what was held at the cut. Rows sealed after it are not looked at; whatever is held now is forgotten.

        Raises:
            Damaged: If a file is missing or not what was written; then the replay is empty.
            UsageError: If the cut is of another task or another number of environments.
        """
        self._flushed_to, self._segments = None, []
        segments.restore(self.store, directory, snapshot)
        self._flushed_to, self._segments = Path(directory), [dict(entry) for entry in snapshot["segments"]]
        self._tell_sampler()

    def prune(self, directory: str | Path, snapshots: list[Snapshot]) -> list[str]:
        """Delete the segments that none of these cuts needs; returns their names. Only when somebody asks for it."""
        return segments.prune(directory, snapshots)

    def save_as(self, root: str | Path, name: str) -> Path:
        """Keep what is held as ``<root>/replays/<name>``, to be loaded into other runs.

        Raises:
            UsageError: If the name is taken.
        """
        if self.directory is None:
            raise UsageError("a replay without a directory of its own cannot be saved under a name")
        check_free(root, name, self.directory)
        return named.save(self.directory, self.flush(self.directory), self._about(), root, name)

    def load_saved(self, directory: Path, loading: Loading = AS_IT_IS) -> None:
        """Append the rows of a replay saved in a directory. They become rows of this replay; the directory is only read.

        Args:
            directory: Of the saved replay.
            loading: What is made of its rows.

        Raises:
            UsageError: If its rows do not fit this task and agent.
            Damaged: If a file is missing or not what was written.
        """
        loading.apply(self.store, named.load_saved(self.store, directory, self.view.stack))
        self._tell_sampler()

    def load_episodes(self, pieces: Iterable[Mapping[str, Array]], loading: Loading = AS_IT_IS) -> None:
        """Append whole episodes, as many of the newest as fit.

        Args:
            pieces: Columns of the slots of one episode or several each, with T + 1 slots for T steps; they go to the environments in turn.
            loading: What is made of their rows.

        Raises:
            UsageError: If a column is missing or has another form.
        """
        store = self.store
        for number, piece in enumerate(pieces):
            env_id = number % store.num_envs
            start, count = int(store.head[env_id]), len(piece["last"])
            store.write(env_id, start, self._as_stored(piece, count))
            store.head[env_id] = store.start[env_id] = start + count
            store.tail[env_id] = max(int(store.tail[env_id]), start + count - store.length)
        for env_id in range(store.num_envs):
            named.close_off(store, env_id, int(store.tail[env_id]), int(store.head[env_id]), self.view.stack)
        store.recount()
        loading.apply(store)
        self._tell_sampler()

    def _as_stored(self, piece: Mapping[str, Array], count: int) -> dict[str, Array]:
        columns: dict[str, Array] = {}
        for name, column in self.store.columns.items():
            if name in self.store.extra and name not in piece:
                columns[name] = np.zeros((count, *column.shape), column.dtype)
                continue
            if piece[name].shape != (count, *column.shape):
                what = f"column {name} of the loaded data is {piece[name].shape[1:]}, and here it is {column.shape}"
                raise UsageError(Problem(what, "the same task and agent"))
            columns[name] = piece[name].astype(column.dtype, copy=False)
        return columns

    def stored(self, size: int = PORTION) -> Iterator[Batch]:
        """The observations at which an action was taken, single frames, as columns of batches of at most `size` rows."""
        store = self.store
        for env_id in range(store.num_envs):
            for start in range(int(store.tail[env_id]), int(store.head[env_id]), size):
                slots = np.arange(start, min(start + size, int(store.head[env_id])))
                index = store.index(env_id, slots)
                index = index[~store.data["last"][index]]
                yield Batch({name: torch.from_numpy(store.data[name][index]) for name in store.observations})

    def _about(self) -> dict[str, Any]:
        return {"spec": self.spec.to_json(), "source": str(self.directory.absolute()) if self.directory else None}

    def _tell_sampler(self) -> None:
        store = self.store
        self._late.clear()
        for first in range(0, store.slots, PORTION):
            self.sampler.remove(np.arange(first, min(first + PORTION, store.slots)))
        for env_id in range(store.num_envs):
            for first in range(int(store.tail[env_id]), int(store.head[env_id]), PORTION):
                index = store.index(env_id, np.arange(first, min(first + PORTION, int(store.head[env_id]))))
                self.gatherer.wrote(index)
                self.sampler.add(index[~store.data["last"][index]])

    def state_dict(self) -> dict[str, Any]:
        """What the cut does not hold: the sampler's state, priorities that it does not have yet, and the counters they belong to."""
        state = {"head": self.store.head.tolist(), "consumed": self.consumed.tolist(), "sampler": self.sampler.state_dict()}
        return state | ({"late": self._late.state_dict(self.store)} if self.sampler.lag else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After `restore`.

        Raises:
            Damaged: If the state belongs to another cut.
        """
        if list(state["head"]) != self.store.head.tolist():
            raise Damaged(Problem("the replay's state does not belong to the rows restored", "resume another checkpoint"))
        self.consumed = np.array(state["consumed"], np.int64)
        self.sampler.load_state_dict(state["sampler"], self.store)
        self._late.load_state_dict(state.get("late", ()), self.store)
