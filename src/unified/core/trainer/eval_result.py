"""The result of an evaluation. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

#: Reserved keys of rows and events of evaluations.
TAKEN = ("kind", "frames", "steps", "updates", "metric", "event", "time", "elapsed_s", "seconds", "best_score")


@dataclass(frozen=True)
class EvalResult:
    """The result of an evaluation.

    Args:
        row: Metrics for ``metrics.jsonl``: numbers by name.
        episodes: Episodes in the order of their seeds; ``None`` for a data set.
        pictures: Images ``(n, C, H, W)`` uint8, generated or test inputs; ``None`` if there are none.
        captions: A line of text for each picture; ``None`` without captions.
        columns: Number of pictures per row of a figure, those of one class for example; ``None`` for the default.
        metric: Name of the metric that selects the best checkpoint; higher is better.
        report: Lines of text.

    Raises:
        ValueError: If pictures have another shape or type, or the number of captions differs.
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
            self.row.setdefault("metric", self.metric)  # so that the row names its metric

    @property
    def score(self) -> float:
        """Value of the metric that selects the best checkpoint."""
        return float(self.row[self.metric])

    def beside(self, figures: Mapping[str, float]) -> EvalResult:
        """The same result with further metrics in its row and its report.

        Raises:
            ValueError: If a name is taken.

        >>> EvalResult({"return": 3.0}).beside({"human_normalised": 0.25}).report
        ['human_normalised  0.25']
        """
        if twice := [name for name in figures if name in self.row or name in TAKEN]:
            raise ValueError(f"the result has {', '.join(twice)} already")
        lines = [f"{name}  {number:.4g}" for name, number in figures.items()]
        return replace(self, row={**self.row, **figures}, report=[*self.report, *lines])
