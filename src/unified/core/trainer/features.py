"""The features of a trained classifier, in which what was made is compared with what is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from unified.core.base.errors import Problem, UsageError
from unified.metrics.regression import in_units

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.trainer.inference import InferencePolicy

#: Rows that are looked at together.
BATCH = 512


class ClassifierFeatures:
    """Rows that are made, or such as are to be made, to what the last layer of a classifier reads (`Agent.forward_features`).

    Args:
        player: The trained classifier.
        name: Of its run, for people.
        made: Spec of the rows.

    Raises:
        UsageError: If it is no classifier, sees something else than these rows, or gives no features.
    """

    def __init__(self, player: InferencePolicy, name: str, made: Spec) -> None:
        seen, rows = player.spec.space, made.action
        if player.spec.task_type != "classify":
            what = f"evaluate.features={name}: that run has learned to {player.spec.task_type}, and features are a classifier's"
            raise UsageError(Problem(what, "train one, on the same rows: unified train --suite digits"))
        if (seen.shape, seen.dtype) != (rows.shape, rows.dtype):
            what = f"evaluate.features={name}: its classifier sees {seen.dtype} {seen.shape}, and {rows.dtype} {rows.shape} is made here"
            raise UsageError(Problem(what, "a classifier of the same rows"))
        self._agent, self._within = player.agent, made.target_range
        #: In whose features rows are compared, and how long it was trained.
        self.name = f"{name} at {player.frames:,} frames"
        self(np.zeros((1, *rows.shape), rows.dtype))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """``(N, *made)`` as they are made, pictures in bytes or vectors within [-1, 1], to features ``(N, F)`` float32."""
        if self._within is not None:
            rows = in_units(rows, self._within).astype(np.float32)
        found = []
        with torch.no_grad():
            for start in range(0, len(rows), BATCH):
                batch = torch.from_numpy(np.array(rows[start : start + BATCH])).to(self._agent.device)
                found.append(self._agent.forward_features(batch).flatten(1).float().cpu().numpy())
        return np.concatenate(found)
