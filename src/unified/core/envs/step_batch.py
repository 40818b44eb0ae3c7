"""The answers of n environments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class StepBatch:
    """What n environments answered to one action each.

    | field | shape | what |
    |---|---|---|
    | `observation` | `(n, *observation)` | the true next observation, also at an end |
    | `reward` | `(n,)` float32 | |
    | `terminated`, `truncated` | `(n,)` bool | the task ended · only the time was up |
    | `failed` | `(n,)` bool | this episode is to be discarded; the row holds no transition |
    | `reset_observation` | `(n, *observation)` | first observation of the next episode, where one ended or failed |
    | `returns`, `lengths` | `(n,)` | of the episode that ended here: its score, and its agent steps |
    | `lost` | `(n,)` bool | what follows counts for nothing, though the episode may go on |
    """

    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    failed: np.ndarray
    reset_observation: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray
    life_lost: np.ndarray = field(default_factory=lambda: np.zeros((), bool))

    @property
    def ended(self) -> np.ndarray:
        """Where an episode came to its end, ``(n,)`` bool."""
        ended: np.ndarray = self.terminated | self.truncated
        return ended
