"""A batch: a mapping of tensors with documented names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

_T = TypeVar("_T")

#: Columns of observations, and what their names begin with.
OBSERVATIONS = ("obs", "next_obs", "future_obs")


class Batch(dict[str, torch.Tensor]):
    """Rows of experience, ``(B, …)`` each, readable as attributes.

    | key | shape | what |
    |---|---|---|
    | `obs` | `(B, *observation)` | observation, frames stacked along the channels; named observations are columns `obs.NAME` |
    | `action` | `(B, *action)` | what the policy produced (`Action.action`) |
    | `reward` | `(B,)` | n-step return up to the first end: sum of γᵏ r |
    | `discount` | `(B,)` | γⁿ of the bootstrap; 0 where the episode terminated |
    | `next_obs` | `(B, *observation)` | observation n steps later, the true last one at an end |
    | `label`, `goal` | `(B, …)` | where the view has them |
    | `index` | `(B,)` | slot in the replay, for priorities |
    | `weight` | `(B,)` | importance weight |
    | `mixture` | `(B, E)` | weight of each critic in a random mixture of them, the same in all rows (REM) |
    | `future_obs` | `(B, K, *observation)` | the observations 1 … K steps later, where the view looks ahead |
    | `future_action` | `(B, K, *action)` | the actions that led there, `action` being the first |
    | `future_mask` | `(B, K)` | 1.0 where that observation belongs to the same episode, else 0.0 |
    | `mask` | `(B, T)` | valid steps of a sequence, bool; the other columns of a batch of sequences are `(B, T, …)` |
    | `is_first` | `(B,)`, `(B, T)` | whether the step is the first one of its episode |
    | `state.NAME` | `(B, …)` | state of the policy before the step, or before the first step of a sequence |
    | names of `Spec.columns` | `(B, …)` | further values of the step, where the task has some |

    Named observations are read as a mapping: ``batch.obs["image"]`` is the column ``obs.image``, and likewise `next_obs`, `future_obs`.

    Agents add `features` and `next_features` when they encode a batch, and `target_features` where a target encoder reads `next_obs`.

    >>> Batch(reward=torch.ones(2)).reward
    tensor([1., 1.])
    """

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        named = {key[len(name) + 1 :]: value for key, value in self.items() if key.startswith(f"{name}.")}
        if not named:
            raise AttributeError(f"the batch has no column {name!r}; it has {', '.join(self)}")
        return named

    @property
    def size(self) -> int:
        """Number of rows, B."""
        return len(next(iter(self.values())))

    def rows(self, index: torch.Tensor) -> Batch:
        """The rows at `index`: numbers ``(K,)``, or a mask ``(B,)``."""
        return Batch({key: value[index] for key, value in self.items()})

    def joined(self, stack: int = 1) -> Batch:
        """This batch with named vectors joined to one, in their order, with `stack` frames each as those of a single vector.

        >>> Batch({"obs.a": torch.zeros(1, 4), "obs.b": torch.ones(1, 2)}).joined(stack=2).obs
        tensor([[0., 0., 1., 0., 0., 1.]])
        """
        columns: dict[str, list[torch.Tensor]] = {}
        for key, value in self.items():
            name = key.partition(".")[0]
            columns.setdefault(name if name in OBSERVATIONS else key, []).append(value)
        return Batch({name: _joined(values, stack) if name not in self else values[0] for name, values in columns.items()})

    def steps(self) -> Batch:
        """The valid steps of a batch of sequences as rows ``(N, …)``, one sequence after another; without `mask` and the states.

        >>> Batch(reward=torch.tensor([[1, 2], [3, 0]]), mask=torch.tensor([[True, True], [True, False]])).steps()
        {'reward': tensor([1, 2, 3])}
        """
        mask = self["mask"]
        return Batch({name: column[mask] for name, column in self.items() if name != "mask" and not name.startswith("state.")})

    def to(self, device: torch.device | str) -> Batch:
        """This batch on `device`, copied without waiting where memory is pinned."""
        return Batch({key: value.to(device, non_blocking=True) for key, value in self.items()})

    def detach(self) -> Batch:
        """The same rows, cut off from the graph that made them."""
        return Batch({key: value.detach() for key, value in self.items()})

    def split(self, pieces: int) -> list[tuple[float, Batch]]:
        """So many pieces of equal length, or nearly, in order, each with its share of the rows; a single one is this batch itself.

        Of a batch of sequences, a piece has whole sequences, and its share counts valid steps.

        >>> [(share, piece.reward.tolist()) for share, piece in Batch(reward=torch.arange(4)).split(2)]
        [(0.5, [0, 1]), (0.5, [2, 3])]
        """
        if pieces == 1:
            return [(1.0, self)]
        rows = self.size
        columns = {name: value.tensor_split(min(pieces, rows)) for name, value in self.items()}
        snapshot = [Batch(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if "mask" in self:
            return [(float(piece["mask"].sum() / self["mask"].sum()), piece) for piece in snapshot]
        return [(piece.size / rows, piece) for piece in snapshot]

    def parts(self, sizes: list[int]) -> list[Batch]:
        """Consecutive parts of so many rows each, as views of this batch.

        >>> [part.reward.tolist() for part in Batch(reward=torch.arange(3)).parts([1, 2])]
        [[0], [1, 2]]
        """
        columns = [torch.split_with_sizes(column, sizes) for column in self.values()]
        return [Batch(zip(self, values, strict=True)) for values in zip(*columns, strict=True)]

    def once(self, name: str, compute: Callable[[], _T]) -> _T:
        """Return `compute()`, which is called once for this batch: objectives of one phase share a policy or a draw by its name.

        Each phase has a batch of its own, and copies (`with_columns`, `detach`) share nothing with it.

        >>> batch = Batch(reward=torch.ones(2))
        >>> batch.once("policy", lambda: "computed"), batch.once("policy", lambda: "not called")
        ('computed', 'computed')
        """
        shared = self.__dict__.setdefault("_shared", {})
        if name not in shared:
            shared[name] = compute()
        return cast("_T", shared[name])

    def with_columns(self, **columns: torch.Tensor) -> Batch:
        """A copy with further columns; this batch is left as it is."""
        return Batch({**self, **columns})


def _joined(vectors: list[torch.Tensor], stack: int) -> torch.Tensor:
    """Vectors ``(..., stack * D)`` of several D as one, frame by frame."""
    frames = [each.reshape(*each.shape[:-1], stack, each.shape[-1] // stack) for each in vectors]
    return torch.cat(frames, dim=-1).flatten(-2)
