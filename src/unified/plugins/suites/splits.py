"""Options of suites of rows. Torch-free."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from unified.core.options import Options


class ViewOptions(Options):
    """What rows are used for."""

    view: Literal["auto", "classify", "regress", "generate"] = "auto"
    """What is learned: the target, a class or numbers, or, with generate, the input itself; auto is what the rows were made for."""


class SplitOptions(ViewOptions):
    """What rows are used for, and which of them are judged by; each class has its share of these."""

    test: float = Field(0.2, gt=0, lt=1)
    """Share of the rows that are not trained on but judged by."""
    fold: int | None = Field(None, ge=0)
    """Judge by this one of the folds, 0 for the first, and train on the others; leaves test aside."""
    folds: int = Field(5, ge=2)
    """Parts of equal size that fold chooses from."""
    split_seed: int = Field(0, ge=0)
    """Of the shuffle that decides which rows are judged by; the run's seed has no say in it."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"fold={self.fold}: with folds={self.folds} it can be 0 to {self.folds - 1}")
        return self
