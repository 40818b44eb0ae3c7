"""Features of a trained classifier, for the comparison of generated and real data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.core.base.errors import Problem, UsageError
from unified.metrics.regression import in_units

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.trainer.inference import InferencePolicy

#: Rows per batch.
BATCH = 512


class ClassifierFeatures:
    """Maps real or generated rows to the inputs of the last layer of a classifier (`Agent.forward_features`).

    Args:
        player: The trained classifier.
        name: Name of its run, for reports.
        generated: Spec of the generation task.

    Raises:
        UsageError: If it is no classifier, its observations differ from these rows, or it has no features.
    """

    def __init__(self, player: InferencePolicy, name: str, generated: Spec) -> None:
        observed, rows = player.spec.space, generated.action
        if player.spec.task_type != "classify":
            what = f"evaluate.features={name}: the task of that run is to {player.spec.task_type}, and features need a classifier"
            raise UsageError(Problem(what, "train one, on the same rows: unified train --suite digits"))
        if (observed.shape, observed.dtype) != (rows.shape, rows.dtype):
            ours = f"{rows.dtype} {rows.shape} is generated here"
            what = f"evaluate.features={name}: its observations are {observed.dtype} {observed.shape}, and {ours}"
            raise UsageError(Problem(what, "a classifier of the same rows"))
        self._agent, self._within = player.agent, generated.target_range
        #: Run and frames of the classifier, for reports.
        self.name = f"{name} at {player.frames:,} frames"
        self(np.zeros((1, *rows.shape), rows.dtype))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Features ``(N, F)`` float32 of rows ``(N, *shape)``: images in bytes, or vectors in [-1, 1]."""
        if self._within is not None:
            rows = in_units(rows, self._within).astype(np.float32)
        found = []
        with torch.no_grad():
            for start in range(0, len(rows), BATCH):
                batch = torch.from_numpy(np.array(rows[start : start + BATCH])).to(self._agent.device)
                found.append(self._agent.forward_features(batch).flatten(1).float().cpu().numpy())
        return np.concatenate(found)
