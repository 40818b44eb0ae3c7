"""Means of training metrics, transferred from the device once per log interval; and shares of time."""

from __future__ import annotations

import time
from typing import Any

import torch

#: Number of updates whose metrics are summed at once.
_ROWS = 64


class Meter:
    """Means of the metrics of many updates, without non-finite values."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._rows: dict[tuple[str, ...], list[torch.Tensor]] = {}  # names -> (names,) of each update that is not summed yet
        self._count = 0  # rows
        self._sorted: dict[tuple[str, ...], tuple[str, ...]] = {}  # names in the order of an update -> sorted
        self._names: list[str] = []
        self._sums: torch.Tensor | None = None  # (2, names): sum and count
        self.returns: list[float] = []
        self.lengths: list[int] = []
        self.task_returns: dict[str, list[float]] = {}  # in a run of several suites
        self.successes: dict[str, list[float]] = {}  # by task, which is empty in a run of one suite

    def add(self, metrics: dict[str, torch.Tensor]) -> None:
        """Add the metrics of one update, scalars on the device. Their names may differ between updates."""
        names = self._sorted.get(key := tuple(metrics))
        if names is None:
            names = self._sorted[key] = tuple(sorted(key))
        if self._count == _ROWS:
            self._fold()
        self._count += 1
        row = torch.stack([_number(metrics[name]) for name in names])
        if (rows := self._rows.get(names)) is None:
            rows = self._rows[names] = []
        rows.append(row)

    def _fold(self) -> None:
        """Add the rows to the sums."""
        for names, rows in self._rows.items():
            values = torch.stack(rows)
            finite = torch.isfinite(values)
            added = torch.stack([torch.where(finite, values, 0.0).sum(dim=0), finite.float().sum(dim=0)])
            union = sorted({*self._names, *names})
            merged = torch.zeros(2, len(union), device=added.device)
            for some, sums in ((self._names, self._sums), (names, added)):
                if sums is not None:
                    merged[:, [union.index(name) for name in some]] += sums
            self._names, self._sums = union, merged
        self._rows, self._count = {}, 0

    def add_episode(self, ret: float, length: int, task: str = "", success: float | None = None) -> None:
        """A finished episode; in a run of several suites with the name of its task. Not every task says whether it succeeded."""
        if success is not None:
            self.successes.setdefault(task, []).append(success)
        if task:
            self.task_returns.setdefault(task, []).append(ret)
            return
        self.returns.append(ret)
        self.lengths.append(length)

    def take(self) -> dict[str, float]:
        """Means since the last call, in one transfer. ``nonfinite`` is a number of updates instead of a mean."""
        self._fold()
        row: dict[str, float] = {}
        if self.returns:
            returns = torch.tensor(self.returns, dtype=torch.float64)
            row["return"] = returns.mean().item()
            row["return_sd"] = returns.std().item() if len(returns) > 1 else 0.0
            row["length"] = sum(self.lengths) / len(self.lengths)
        row |= {f"return/{task}": sum(found) / len(found) for task, found in self.task_returns.items()}
        row |= {f"success/{task}" if task else "success": sum(found) / len(found) for task, found in self.successes.items()}
        if self._sums is not None:
            sums, counts = self._sums.tolist()
            for name, total, count in zip(self._names, sums, counts, strict=True):
                if name == "nonfinite":
                    row[name] = total
                elif count:
                    row[name] = total / count
        self.clear()
        return row

    def state_dict(self) -> dict[str, Any]:
        return {
            # Not summed, because another order of additions rounds differently.
            "rows": [{"names": list(names), "values": torch.stack(rows)} for names, rows in self._rows.items()],
            "names": list(self._names),
            "sums": self._sums,
            "returns": list(self.returns),
            "lengths": list(self.lengths),
            "task_returns": {task: list(found) for task, found in self.task_returns.items()},
            "successes": {task: list(found) for task, found in self.successes.items()},
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device | str = "cpu") -> None:
        """Restore a `state_dict`; `device` is the device of the metrics."""
        rows = state.get("rows", ())  # checkpoints of earlier versions have none
        self._rows = {tuple(each["names"]): list(each["values"].to(device)) for each in rows}
        self._count = sum(map(len, self._rows.values()))
        self._names, self._sums = list(state["names"]), None if state["sums"] is None else state["sums"].to(device)
        self.returns, self.lengths = list(state["returns"]), list(state["lengths"])
        self.task_returns = {task: list(found) for task, found in state.get("task_returns", {}).items()}
        self.successes = {task: list(found) for task, found in state.get("successes", {}).items()}


def _number(value: torch.Tensor) -> torch.Tensor:
    """A metric as float32, without its graph; most are so already."""
    return value if value.dtype is torch.float32 and not value.requires_grad else value.detach().float()


class _Measured:
    """A context whose time a stopwatch adds to a kind of work; a class, because every update enters several."""

    __slots__ = ("_kind", "_start", "_watch")

    def __init__(self, watch: Stopwatch, kind: str) -> None:
        self._watch, self._kind = watch, kind

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._watch.add(self._kind, time.perf_counter() - self._start)


class Stopwatch:
    """Seconds spent in each kind of work since the last `take`."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._spent: dict[str, float] = {}

    def measure(self, kind: str) -> _Measured:
        """A context whose time is added to this kind of work."""
        return _Measured(self, kind)

    def add(self, kind: str, seconds: float) -> None:
        """Add time to a kind of work."""
        self._spent[kind] = self._spent.get(kind, 0.0) + seconds

    def take(self) -> tuple[float, dict[str, float]]:
        """Seconds since the last call, and the share of each kind in them; the rest is ``other``."""
        now = time.perf_counter()
        total, spent = now - self._since, self._spent
        self._since, self._spent = now, {}
        shares = {kind: seconds / total for kind, seconds in spent.items()}
        shares["other"] = max(0.0, 1.0 - sum(shares.values()))
        return total, shares
