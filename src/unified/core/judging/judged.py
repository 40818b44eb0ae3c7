"""What a judgement hands over to whoever watches the run. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Judged:
    """How well an agent did, by whatever its kind of task is judged by.

    Args:
        row: What goes to ``metrics.jsonl``: plain numbers by name.
        episodes: That were played, in the order of their seeds; ``None`` where nothing was played.
        pictures: Worth looking at, ``(n, C, H, W)`` uint8: generated ones, or test inputs; ``None`` without any.
        captions: A line of text for each picture; ``None`` without any.
        metric: Name of the number that counts; more of it is better.
        report: Lines for a person.

    Raises:
        ValueError: If pictures have another shape or type, or captions another number.
    """

    row: dict[str, Any]
    episodes: list[Any] | None = None
    pictures: np.ndarray | None = field(default=None, repr=False)
    captions: list[str] | None = field(default=None, repr=False)
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
