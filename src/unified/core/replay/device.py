"""Observations of a replay in the memory of a GPU, where batches of them are gathered: for each batch only numbers of slots go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.core.base.errors import Problem, UsageError
from unified.core.replay.backing import gigabytes
from unified.core.replay.gather import Gatherer

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store

#: Bytes of new slots that are copied to the device at a time.
PIECE = 64_000_000


class DeviceGatherer(Gatherer):
    """Gathers observations on a device, from copies of the columns there. Everything else of a batch is gathered on the CPU.

    Which slots make up a row, and so every view, is computed on the CPU as for a `Gatherer`; the batches have the same bytes. Slots that
    were written are copied before the next batch is gathered.

    Args:
        store: Its columns of observations are copied.
        device: Of the copies and of the batches.

    Raises:
        UsageError: If the columns do not fit.
    """

    def __init__(self, store: Store, device: torch.device) -> None:
        super().__init__(pin=device.type == "cuda")
        self.device = device
        self._written: list[Array] = []
        self._columns: dict[int, tuple[Array, torch.Tensor]] = {}  # by the identity of the array
        try:
            for name in store.observations:
                source = store.data[name]
                kind = torch.from_numpy(source[:0]).dtype
                self._columns[id(source)] = source, torch.zeros(source.shape, dtype=kind, device=device)
        except torch.OutOfMemoryError as error:
            needed = gigabytes(store.slots * sum(store.columns[name].bytes for name in store.observations))
            what = f"replay.device={device}: the observations need {needed}, which its memory does not have"
            raise UsageError(Problem(what, "replay.device=cpu, or a smaller replay.capacity")) from error

    def wrote(self, index: Array) -> None:
        """The slots at `index` ``(m,)`` were written."""
        self._written.append(index)

    def take(self, source: Array, rows: Array, shape: tuple[int, ...]) -> torch.Tensor:
        if id(source) not in self._columns:
            return super().take(source, rows, shape)
        self._copy()
        _, column = self._columns[id(source)]
        return column.index_select(0, self._sent(rows)).reshape(shape)

    def _copy(self) -> None:
        """Copy what was written since the last batch."""
        if not self._written:
            return
        index = np.unique(np.concatenate(self._written))
        self._written = []
        for source, column in self._columns.values():
            size = max(PIECE // max(source[:1].nbytes, 1), 1)
            for first in range(0, len(index), size):
                piece = index[first : first + size]
                column.index_copy_(0, self._sent(piece), self._sent(source[piece]))

    def _sent(self, values: Array) -> torch.Tensor:
        """Values on the device, without waiting for it."""
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.pin else tensor.to(self.device)
