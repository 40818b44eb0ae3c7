"""The replays of several tasks as one: updates take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import UsageError
from unified.core.replay.batch import Batch

if TYPE_CHECKING:
    import torch

    from unified.core.replay.buffer import Replay
    from unified.core.replay.dataset import DatasetBuffer
    from unified.core.replay.segments import Snapshot


class TaskBatch(Batch):
    """A batch of one of several tasks.

    Args:
        columns: Its columns.
        task_number: Number of the task.
    """

    def __init__(self, columns: Mapping[str, torch.Tensor], task_number: int) -> None:
        super().__init__(columns)
        self.task_number = task_number

    def to(self, device: torch.device | str) -> TaskBatch:
        """This batch on `device`."""
        return TaskBatch(super().to(device), self.task_number)


class MultiTaskReplay:
    """A replay for each task; the batches of updates come from one after the other.

    Args:
        replays: The replays, in the order of the tasks. Their views are not `View.whole`.
    """

    def __init__(self, replays: list[Replay | DatasetBuffer]) -> None:
        self.replays = replays
        self._next = self._latest = 0  # task of the next batch, and of the one before it

    @property
    def ready(self) -> bool:
        """Whether there is a row to sample of every task."""
        return all(replay.ready for replay in self.replays)

    @property
    def steps(self) -> int:
        """Transitions and rows held."""
        return sum(replay.steps for replay in self.replays)

    @property
    def bytes(self) -> int:
        """Bytes of all replays."""
        return sum(replay.bytes for replay in self.replays)

    def batches(self, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[TaskBatch]:
        """The batches of `count` updates."""
        for _ in range(count):
            self._latest, self._next = self._next, (self._next + 1) % len(self.replays)
            yield TaskBatch(self.replays[self._latest].sample(), self._latest)

    def update_priorities(self, index: torch.Tensor, priority: torch.Tensor) -> None:
        """Pass the priorities of the newest batch to the replay that it came from."""
        self.replays[self._latest].update_priorities(index, priority)

    def flush(self, directory: str | Path) -> dict[str, Any]:
        """Write the rows of every task to a directory of its own; returns what `restore` needs."""
        return {"tasks": [replay.flush(Path(directory) / str(number)) for number, replay in enumerate(self.replays)]}

    def restore(self, directory: str | Path, snapshot: Mapping[str, Any]) -> None:
        """Hold what was held at the snapshot.

        Raises:
            Damaged: If a file is missing or was changed.
        """
        for number, (replay, each) in enumerate(zip(self.replays, snapshot["tasks"], strict=True)):
            replay.restore(Path(directory) / str(number), each)

    def prune(self, directory: str | Path, snapshots: list[Snapshot]) -> list[str]:
        """Delete the segments that none of these snapshots needs; returns their names."""
        deleted = []
        for number, replay in enumerate(self.replays):
            deleted += replay.prune(Path(directory) / str(number), [snapshot["tasks"][number] for snapshot in snapshots])
        return deleted

    def save_as(self, root: str | Path, name: str) -> Path:
        """Refused.

        Raises:
            UsageError: Always.
        """
        raise UsageError("the replays of several suites cannot be saved under one name")

    def load_saved(self, directory: Path) -> None:
        """Refused.

        Raises:
            UsageError: Always.
        """
        raise UsageError("a saved replay is of one task and cannot be loaded into several")

    def state_dict(self) -> dict[str, Any]:
        """The state of every replay, and whose turn it is."""
        return {"tasks": [replay.state_dict() for replay in self.replays], "next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After `restore`."""
        self._next = state["next"]
        for replay, each in zip(self.replays, state["tasks"], strict=True):
            replay.load_state_dict(each)
