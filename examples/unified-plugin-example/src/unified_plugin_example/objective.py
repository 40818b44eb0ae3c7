"""A regulariser of the features, added to the objectives of an agent by ``-o +decorrelate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from unified import Loss, Objective

if TYPE_CHECKING:
    from unified import Batch


class Decorrelate(Objective):
    """L = w · (mean of max(0, 1 - σᵢ) + 1/F · Σ_{i≠j} Cᵢⱼ²): features keep their variance and are uncorrelated.

    σ and C are the standard deviations and covariances of the features over the batch. Source: Bardes, Ponce & LeCun 2022 (VICReg),
    equations 1 and 3.

    Args:
        weight: Coefficient w of the loss.
    """

    needs = ("obs",)
    parts = ("encoder",)

    def __init__(self, weight: Annotated[float, Ge(0)] = 0.01) -> None:
        super().__init__()
        self.weight = weight

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        features = batch.features.float()  # (B, F); bfloat16 in some agents
        features = features - features.mean(dim=0)
        covariance = features.T @ features / max(1, len(features) - 1)
        deviation = (covariance.diagonal() + 1e-4).sqrt()  # the gradient of sqrt at 0 is infinite
        variance_loss = (1.0 - deviation).clamp(min=0.0).mean()
        covariance_loss = (covariance.square().sum() - covariance.diagonal().square().sum()) / features.shape[1]
        metrics = {"feature_std": deviation.mean(), "feature_covariance": covariance_loss}
        return Loss(self.weight * (variance_loss + covariance_loss), metrics)
