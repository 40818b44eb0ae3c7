"""One step of n environments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class StepBatch:
    """The results of one action in each of n environments.

    | field | shape | meaning |
    |---|---|---|
    | `observation` | `(n, *observation)` | the true next observation, also at an end |
    | `reward` | `(n,)` float32 | |
    | `terminated`, `truncated` | `(n,)` bool | the task ended · only the time limit was reached |
    | `failed` | `(n,)` bool | the row holds no transition, and the episode is discarded unless it was interrupted |
    | `interrupted` | `(n,)` bool | failed, but the earlier steps of the episode are valid: it is truncated before this step |
    | `reset_observation` | `(n, *observation)` | first observation of the next episode, where one ended or failed |
    | `returns`, `lengths` | `(n,)` | of the episode that ended here: its return in raw rewards, and its agent steps |
    | `life_lost` | `(n,)` bool | learning treats the step as terminal, though the episode may go on |
    | `extra` | `(n, …)` by name | the columns of the spec (`Step.extra`) |
    | `env_ids` | `(n,)` int64 | numbers of the environments, each at most once; ``None``: all of them in order |
    | `task` | text | name of the task, in a run of several suites |

    Where observations have names, arrays of them are ``(n,)`` records: ``steps.observation["image"]`` is ``(n, C, H, W)``.
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
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    interrupted: np.ndarray = field(default_factory=lambda: np.zeros((), bool))
    env_ids: np.ndarray | None = None
    task: str = ""

    @property
    def ids(self) -> np.ndarray:
        """Number of the environment of each row, ``(n,)``."""
        return np.arange(len(self.reward)) if self.env_ids is None else self.env_ids

    @property
    def ended(self) -> np.ndarray:
        """Whether the episode ended, ``(n,)`` bool."""
        ended: np.ndarray = self.terminated | self.truncated
        return ended

    @property
    def over(self) -> np.ndarray:
        """Whether the episode ended or failed, so that the next one begins, ``(n,)`` bool."""
        over: np.ndarray | None = self.__dict__.get("_over")
        if over is None:
            over = self._over = self.terminated | self.truncated | self.failed
        return over

    @property
    def any_over(self) -> bool:
        """Whether an episode ended or failed; in most steps none does."""
        return some(self.over)


def some(flags: np.ndarray) -> bool:
    """Whether a flag is set: ``flags.any()`` in a fraction of its time, where there are few.

    >>> some(np.array([False, True])), some(np.zeros(3, bool))
    (True, False)
    """
    return b"\x01" in flags.tobytes()
