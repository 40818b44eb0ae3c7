"""A data set as a replay: its rows are there already, are read only, and each is seen once in an epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unified.core.base.errors import Problem, UsageError
from unified.core.base.rng import Streams, derive
from unified.core.replay.batch import Batch
from unified.core.replay.gather import Gatherer

if TYPE_CHECKING:
    from unified.core.envs.dataset import Rows
    from unified.core.replay.store import Array
    from unified.core.replay.views import View


class DatasetBuffer:
    """Batches of rows without replacement: epoch e goes through all of them in an order that is a function of the run's seed and e.

    Where an epoch does not end with a batch, the batch goes on with the first rows of the next one: every batch has B rows.

    Args:
        rows: Of the data set; its arrays are used as they are, in memory or on disk.
        view: Whose `batch_size` is B.
        streams: Of the run: its seed.
        overfit: Use only so many rows, the first of epoch 0's order.
        pin: Batches in page-locked memory, for copies to a GPU.
    """

    def __init__(self, rows: Rows, view: View, streams: Streams, overfit: int | None = None, pin: bool = False) -> None:
        if not len(rows):
            raise UsageError("the data set has no rows to train on")
        self.rows, self.view, self._seed = rows, view, streams.seed
        self._gatherer = Gatherer(pin)
        self._all = np.arange(len(rows))
        if overfit is not None:
            self._all = np.sort(self._order(0)[:overfit])
        self.epoch, self.position = 0, 0
        self._now = self._order(0)

    @property
    def size(self) -> int:
        """Rows of an epoch."""
        return len(self._all)

    def _order(self, epoch: int) -> Array:
        return np.random.Generator(np.random.Philox(derive(self._seed, "epoch", epoch))).permutation(self._all)

    def _next(self, count: int) -> Array:
        pieces = []
        while count:
            if self.position == self.size:
                self.epoch, self.position = self.epoch + 1, 0
                self._now = self._order(self.epoch)
            piece = self._now[self.position : self.position + count]
            pieces.append(piece)
            self.position += len(piece)
            count -= len(piece)
        return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

    # What the trainer sees ------------------------------------------------------------------------------------------------------

    ready = True

    def sample(self) -> Batch:
        """The next batch, on the CPU: `obs` ``(B, *observation)``, `label` ``(B, *action)`` as the data set has them, `index`, `weight`."""
        index = self._next(self.view.batch_size)
        return Batch(
            obs=self._take(self.rows.inputs, index),
            label=self._take(self.rows.targets, index),
            index=torch.from_numpy(index),
            weight=torch.ones(len(index)),
        )

    def _take(self, array: Array, index: Array) -> torch.Tensor:
        return self._gatherer.take(array, index, (len(index), *array.shape[1:]))

    def batches(self, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
        """`count` batches."""
        for _ in range(count):
            yield self.sample()

    def update_priorities(self, index: torch.Tensor, priority: torch.Tensor) -> None:
        """Rows of an epoch have no priorities."""

    @property
    def steps(self) -> int:
        """Rows that are trained on."""
        return self.size

    @property
    def bytes(self) -> int:
        """Of all rows."""
        return int(self.rows.inputs.nbytes + self.rows.targets.nbytes)

    # What lasts -----------------------------------------------------------------------------------------------------------------

    def flush(self, directory: str | Path) -> dict[str, Any]:
        """What is written of it: how many rows there are and a fingerprint of some, so that another data set is noticed."""
        return {"segments": [], "rows": len(self.rows), "fingerprint": self._fingerprint()}

    def _fingerprint(self) -> str:
        some = np.linspace(0, len(self.rows) - 1, min(len(self.rows), 64)).astype(np.int64)
        digest = hashlib.sha256()
        for array in (self.rows.inputs, self.rows.targets):
            digest.update(np.ascontiguousarray(array[some]).tobytes())
        return digest.hexdigest()

    def restore(self, directory: str | Path, snapshot: Mapping[str, Any]) -> None:
        """Look whether the rows are those of the checkpoint.

        Raises:
            UsageError: If they are not.
        """
        if snapshot.get("rows") != len(self.rows) or snapshot.get("fingerprint") != self._fingerprint():
            raise UsageError(
                Problem(
                    f"the data set has changed: the run was trained on {snapshot.get('rows')} rows, not on these {len(self.rows)}",
                    "put back the old files, or start anew with experiment=NAME",
                )
            )

    def prune(self, directory: str | Path, snapshots: list[dict[str, Any]]) -> list[str]:
        """Nothing is written, so nothing is deleted."""
        return []

    def save_as(self, root: str | Path, name: str) -> Path:
        raise UsageError(Problem(f"replay.save={name}: a data set is there already, and is not saved again"))

    def load_saved(self, directory: Path) -> None:
        raise UsageError(Problem(f"replay.load={directory}: the rows of a data set come from its suite", "leave replay.load out"))

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
        self._now = self._order(self.epoch)
