"""What a judgement hands over to whoever watches the run. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

#: Keys that rows and events of an evaluation have for themselves.
TAKEN = ("kind", "frames", "steps", "updates", "metric", "event", "time", "elapsed_s", "seconds")


@dataclass(frozen=True)
class EvalResult:
    """How well an agent did, by whatever its kind of task is judged by.

    Args:
        row: What goes to ``metrics.jsonl``: plain numbers by name.
        episodes: That were played, in the order of their seeds; ``None`` where nothing was played.
        pictures: Worth looking at, ``(n, C, H, W)`` uint8: generated ones, or test inputs; ``None`` without any.
        captions: A line of text for each picture; ``None`` without any.
        columns: Pictures that belong side by side, those of one class, say; ``None`` where it does not matter.
        metric: Name of the number that counts; more of it is better.
        report: Lines for a person.

    Raises:
        ValueError: If pictures have another shape or type, or captions another number.
    """

    row: dict[str, Any]
    episodes: list[Any] | None = None
    pictures: np.ndarray | None = field(default=None, repr=False)
    captions: list[str] | None = field(default=None, repr=False)
    columns: int | None = None
    metric: str = "return"
    report: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        pictures, captions = self.pictures, self.captions
        if pictures is not None and (pictures.ndim != 4 or pictures.dtype != np.uint8):
            raise ValueError(f"pictures are (n, C, H, W) uint8, not {pictures.shape} {pictures.dtype}")
        if captions is not None and len(captions) != (0 if pictures is None else len(pictures)):
            raise ValueError(f"there are {len(captions)} captions for {0 if pictures is None else len(pictures)} pictures")
        if self.metric != "return":
            self.row.setdefault("metric", self.metric)  # who reads the row alone knows what it is judged by

    @property
    def score(self) -> float:
        """The number that counts."""
        return float(self.row[self.metric])

    def beside(self, figures: Mapping[str, float]) -> EvalResult:
        """The same judgement with further figures in its row and in its report.

        Raises:
            ValueError: If one of them is there already.

        >>> Judged({"return": 3.0}).beside({"human_normalised": 0.25}).report
        ['human_normalised  0.25']
        """
        if twice := [name for name in figures if name in self.row or name in TAKEN]:
            raise ValueError(f"a judgement has {', '.join(twice)} already")
        lines = [f"{name}  {number:.4g}" for name, number in figures.items()]
        return replace(self, row={**self.row, **figures}, report=[*self.report, *lines])
