"""Options of suites of data sets. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from unified.core.components.options import Options


class ViewOptions(Options):
    """The task type of a data set."""

    task_type: Literal["auto", "classify", "regress", "generate"] = "auto"
    """Task type: classify or regress predict the target, generate models the input; auto follows the data set."""
    conditional: bool = False
    """With generate: condition on the target, which becomes the observation."""


class SplitOptions(ViewOptions):
    """The task type of a data set and its stratified test split."""

    test: float = Field(0.2, gt=0, lt=1)
    """Fraction of the rows in the test split."""
    folds: int = Field(5, ge=2)
    """Number of folds of a cross-validation."""
    fold: int | None = Field(None, ge=0)
    """Fold to test on, from 0; the others are the training rows and test is ignored."""
    split_seed: int = Field(0, ge=0)
    """Seed of the split; independent of the seed of the run."""

    @field_validator("fold")
    @classmethod
    def _exists(cls, fold: int | None, info: ValidationInfo) -> int | None:
        folds = info.data.get("folds")
        if fold is not None and folds is not None and fold >= folds:
            raise ValueError(f"with folds={folds} it can be 0 to {folds - 1}")
        return fold
