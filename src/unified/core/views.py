"""Views: what a batch looks like to the agent that learns from it. Torch-free until a batch is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from unified.core.batch import Batch
    from unified.core.replay.gather import Gatherer
    from unified.core.replay.store import Store


@dataclass(frozen=True)
class View:
    """What an agent learns from, and when.

    A subclass says which columns its batches have, which slots of a store can begin a row, and how rows are made of them.

    Args:
        batch_size: Rows of a batch, B.
        stack: Consecutive observations in one, joined along their first dimension; the first of an episode stands for those before it.
        updates_per_step: Updates for each agent step, of all environments together.
        learn_after: Agent steps before the first update.
    """

    batch_size: int = 256
    stack: int = 1
    updates_per_step: float = 1.0
    learn_after: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.stack < 1 or self.updates_per_step < 0 or self.learn_after < 0:
            raise ValueError(f"a view needs batch_size >= 1, stack >= 1, updates_per_step >= 0 and learn_after >= 0: {self}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a batch."""
        raise NotImplementedError

    @property
    def span(self) -> int:
        """Consecutive slots that one row reads at most; a lane shorter than that could never give one."""
        raise NotImplementedError

    def eligible(self, store: Store, lane: np.ndarray, slot: np.ndarray) -> np.ndarray:
        """Which of the slots ``(K,)``, absolute numbers within their lanes ``(K,)``, can begin a row: bool ``(K,)``."""
        raise NotImplementedError

    def count(self, store: Store) -> int:
        """How many slots are eligible."""
        raise NotImplementedError

    def gather(self, store: Store, index: np.ndarray, gatherer: Gatherer) -> Batch:
        """The rows that begin at `index` ``(B,)``, which are eligible."""
        raise NotImplementedError


@dataclass(frozen=True)
class Transitions(View):
    """Single n-step transitions: reward is the sum of γᵏ rₖ up to the first end, and the bootstrap is the observation there.

    Args:
        n_step: Steps of a window, n.
        discount: γ of one agent step.
    """

    n_step: int = 1
    discount: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_step < 1 or not 0 <= self.discount <= 1:
            raise ValueError(f"transitions need n_step >= 1 and 0 <= discount <= 1: {self}")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("obs", "action", "reward", "discount", "next_obs", "index", "weight")

    @property
    def span(self) -> int:
        return self.stack + self.n_step

    def eligible(self, store: Store, lane: np.ndarray, slot: np.ndarray) -> np.ndarray:
        from unified.core.replay.gather import eligible_transitions

        return eligible_transitions(self, store, lane, slot)

    def count(self, store: Store) -> int:
        from unified.core.replay.gather import count_transitions

        return count_transitions(self, store)

    def gather(self, store: Store, index: np.ndarray, gatherer: Gatherer) -> Batch:
        from unified.core.replay.gather import gather_transitions

        return gather_transitions(self, store, index, gatherer)
