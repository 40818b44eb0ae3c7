"""Views: what a batch looks like to the agent that learns from it. Torch-free until a batch is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from unified.core.replay.batch import Batch
    from unified.core.replay.buffer import Replay
    from unified.core.replay.gather import Gatherer
    from unified.core.replay.store import Store


@dataclass(frozen=True)
class View:
    """What an agent learns from, and when.

    A subclass says which columns its batches have, which slots of a store can begin a row, and how rows are gathered.

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
    def window(self) -> int:
        """Consecutive slots that one row reads at most; a lane shorter than that could never give one."""
        raise NotImplementedError

    #: Whether rows come from a data set, or from experience that is there already: no environment is stepped.
    from_dataset: ClassVar[bool] = False

    #: Whether all updates that are due at once are one piece: a run is never saved in the middle of them.
    whole: ClassVar[bool] = False

    @property
    def max_slots(self) -> int | None:
        """Slots of each lane that are worth keeping; ``None`` for as many as there is room for."""
        return None

    def update_schedule(self, num_envs: int) -> tuple[int, float]:
        """When updates are due with so many environments: after every so many steps of all, and how many for each of these steps."""
        return 1, self.updates_per_step

    def batches(self, replay: Replay, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
        """The batches of the updates that are due, `count` of them unless the view is `whole`.

        `prepare` is the agent's, for views that show it everything before it learns from parts.
        """
        yield from replay.samples(count)

    def eligible(self, store: Store, env_id: np.ndarray, slot: np.ndarray) -> np.ndarray:
        """Which of the slots ``(K,)``, absolute numbers within their lanes ``(K,)``, can begin a row: bool ``(K,)``."""
        raise NotImplementedError

    def count(self, store: Store) -> int:
        """How many slots are eligible."""
        raise NotImplementedError

    def ready(self, store: Store) -> bool:
        """Whether a slot is eligible. Of more slots than lie near the edges of the lanes one is, and none has to be looked at."""
        return int(store.held.sum()) > 2 * store.num_envs * self.window or self.count(store) > 0

    def gather(self, store: Store, index: np.ndarray, gatherer: Gatherer) -> Batch:
        """The rows that begin at `index` ``(B,)``, which are eligible."""
        raise NotImplementedError


@dataclass(frozen=True)
class Transitions(View):
    """Single n-step transitions: reward is the sum of γᵏ rₖ up to the first end, and the bootstrap is the observation there.

    Args:
        n_step: Steps of a window, n.
        discount: γ of one agent step.
        future_steps: Number K of following steps whose actions and observations a row has too, whatever n is. Rows near the end of an
            episode, or near the newest step, have fewer: `future_mask` marks them.
    """

    n_step: int = 1
    discount: float = 0.99
    future_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_step < 1 or not 0 <= self.discount <= 1 or self.future_steps < 0:
            raise ValueError(f"transitions need n_step >= 1, 0 <= discount <= 1 and future_steps >= 0: {self}")

    @classmethod
    def of(cls, options: Any, stack: int) -> Self:
        """As an agent's options say: ``batch_size, updates_per_step, learning_starts, n_step, discount``."""
        return cls(
            batch_size=options.batch_size,
            stack=stack,
            updates_per_step=options.updates_per_step,
            learn_after=options.learning_starts,
            n_step=options.n_step,
            discount=options.discount,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        future = ("future_obs", "future_action", "future_mask") if self.future_steps else ()
        return ("obs", "action", "reward", "discount", "next_obs", "index", "weight", *future)

    @property
    def window(self) -> int:
        return self.stack + self.n_step

    def eligible(self, store: Store, env_id: np.ndarray, slot: np.ndarray) -> np.ndarray:
        from unified.core.replay.gather import eligible_transitions

        return eligible_transitions(self, store, env_id, slot)

    def count(self, store: Store) -> int:
        from unified.core.replay.gather import count_transitions

        return count_transitions(self, store)

    def gather(self, store: Store, index: np.ndarray, gatherer: Gatherer) -> Batch:
        from unified.core.replay.gather import gather_transitions

        return gather_transitions(self, store, index, gatherer)


@dataclass(frozen=True)
class Labelled(View):
    """Rows of a data set, each once in an epoch.

    `obs` is the input and `label` the target; the agent adds `action`, the target as its policy would have given it, when it perceives.
    """

    from_dataset: ClassVar[bool] = True

    @property
    def columns(self) -> tuple[str, ...]:
        return ("obs", "label", "action", "index", "weight")

    @property
    def window(self) -> int:
        return 1


@dataclass(frozen=True)
class Rollout(View):
    """Everything since the last updates, in the order it happened, then consumed: `n_steps` steps of each environment.

    The agent processes all of it (`Agent.process_rollout`: advantages, returns), then learns from it `epochs` times in minibatches of
    about `batch_size` rows, without replacement. A rollout without the rows of a failed episode has fewer minibatches of the same size.
    `extra_columns` names the columns that `process_rollout` and the agent's own extra columns add.

    Args:
        n_steps: Steps of each environment between updates, T.
        epochs: Passes over the rollout.
        discount: γ of one agent step.
        extra_columns: Names of further columns of a batch.
    """

    n_steps: int = 128
    epochs: int = 4
    discount: float = 0.99
    extra_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_steps < 1 or self.epochs < 1 or not 0 <= self.discount <= 1:
            raise ValueError(f"a rollout needs n_steps >= 1, epochs >= 1 and 0 <= discount <= 1: {self}")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("obs", "action", "reward", "discount", "index", "weight", *self.extra_columns)

    @property
    def window(self) -> int:
        return self.stack + 1

    @property
    def max_slots(self) -> int:
        return 2 * (self.n_steps + 1) + self.stack  # an episode of T steps takes T + 1 slots, the shortest of one step two

    whole: ClassVar[bool] = True

    def minibatches(self, rows: int) -> int:
        """Minibatches of an epoch over so many rows."""
        return max(1, round(rows / self.batch_size))

    def update_schedule(self, num_envs: int) -> tuple[int, float]:
        rows = self.n_steps * num_envs
        return rows, self.epochs * self.minibatches(rows) / rows

    def batches(self, replay: Replay, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
        from unified.core.replay.rollout import minibatches

        return minibatches(self, replay, prepare)

    def eligible(self, store: Store, env_id: np.ndarray, slot: np.ndarray) -> np.ndarray:
        eligible: np.ndarray = ~store.data["last"][store.index(env_id, slot)]
        return eligible

    def count(self, store: Store) -> int:
        return int(store.held.sum())


@dataclass(frozen=True)
class RolloutSequences(Rollout):
    """A rollout in sequences, for agents with a memory: minibatches of whole sequences, about `batch_size` steps together.

    The steps of each environment are cut into pieces of `sequence_length`, across the ends of episodes: `is_first` ``(B, T)`` says where an
    episode begins, and the state of the policy has to be reset there. The last piece of an environment may be shorter; `mask` ``(B, T)``
    is false for what fills it up. Each sequence starts from the state that was stored with its first step (columns ``state.NAME``, which
    the agent has among its `extra_columns`).
    Source: Huang et al. 2022, "The 37 Implementation Details of Proximal Policy Optimization", LSTM details.

    Args:
        sequence_length: Steps of a sequence, T.
    """

    sequence_length: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sequence_length < 1:
            raise ValueError(f"sequences need sequence_length >= 1: {self}")

    @property
    def columns(self) -> tuple[str, ...]:
        return (*super().columns, "is_first", "mask")

    def minibatches(self, rows: int, sequences: int | None = None) -> int:
        """Minibatches of an epoch over so many rows, in so many sequences; none is empty."""
        return min(super().minibatches(rows), rows if sequences is None else sequences)

    def update_schedule(self, num_envs: int) -> tuple[int, float]:
        rows, sequences = self.n_steps * num_envs, -(-self.n_steps // self.sequence_length) * num_envs
        return rows, self.epochs * self.minibatches(rows, sequences) / rows

    def batches(self, replay: Replay, count: int, prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
        from unified.core.replay.sequences import sequence_minibatches

        return sequence_minibatches(self, replay, prepare)
