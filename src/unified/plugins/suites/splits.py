"""Options of suites of rows. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from unified.core.components.options import Options


class ViewOptions(Options):
    """What rows are used for."""

    task_type: Literal["auto", "classify", "regress", "generate"] = "auto"
    """What is learned: the target, a class or numbers, or, with generate, the input itself; auto is what the rows were made for."""
    conditional: bool = False
    """With generate: each input is made for a target, which is observed then; else for nothing."""


class SplitOptions(ViewOptions):
    """What rows are used for, and which of them are judged by; each class has its share of these."""

    test: float = Field(0.2, gt=0, lt=1)
    """Share of the rows that are not trained on but judged by."""
    folds: int = Field(5, ge=2)
    """Parts of equal size that fold chooses from."""
    fold: int | None = Field(None, ge=0)
    """Judge by this one of the folds, 0 for the first, and train on the others; leaves test aside."""
    split_seed: int = Field(0, ge=0)
    """Of the shuffle that decides which rows are judged by; the run's seed has no say in it."""

    @field_validator("fold")
    @classmethod
    def _exists(cls, fold: int | None, said: ValidationInfo) -> int | None:
        folds = said.data.get("folds")
        if fold is not None and folds is not None and fold >= folds:
            raise ValueError(f"with folds={folds} it can be 0 to {folds - 1}")
        return fold
