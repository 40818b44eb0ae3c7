"""Running statistics of what an agent observes and earns, and the normalisation of observations and rewards by them.

New rows of experience move the statistics (`Agent.observe`); replayed rows and evaluations do not. Where a replay is learned from alone,
its observations are standardised by their own statistics, which stay (`Agent.observe_data`). All of it is in the agent's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.envs.step_batch import StepBatch
    from unified.core.replay.batch import Batch

#: Greatest size of a normalised observation or reward.
LIMIT = 10.0
#: Added to variances.
EPS = 1e-8
#: Added to the deviations of the data of an offline run. Source: Fujimoto & Gu 2021 (TD3+BC), section 5.
DATA_EPS = 1e-3


class RunningMoments(nn.Module):
    """Mean and variance of all rows seen so far, in float64.

    Rows may come in any portions: portions are merged exactly but for rounding. Source: Welford 1962; Chan, Golub & LeVeque 1979.

    >>> moments = RunningMoments(())
    >>> moments.update(torch.tensor([1.0, 2.0]))
    >>> moments.update(torch.tensor([6.0]))
    >>> moments.mean.item(), round(moments.variance.item(), 6)
    (3.0, 4.666667)

    Args:
        shape: Of one row.

    Attributes:
        count: Rows so far.
        mean: Their mean; 0 before the first row.
        squares: Sum of the squared deviations from the mean.
    """

    count: torch.Tensor
    mean: torch.Tensor
    squares: torch.Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(shape, dtype=torch.float64))

    @torch.no_grad()
    def update(self, rows: torch.Tensor) -> None:
        """Take in rows ``(N, *shape)``, in place."""
        if not len(rows):
            return
        rows = rows.to(self.mean)
        mean = rows.mean(dim=0)
        change, total = mean - self.mean, self.count + len(rows)
        self.squares += (rows - mean).square().sum(dim=0) + change.square() * (self.count * len(rows) / total)
        self.mean += change * (len(rows) / total)
        self.count.copy_(total)

    @property
    def variance(self) -> torch.Tensor:
        """Of the rows so far; 1 before the first one."""
        return torch.where(self.count > 0, self.squares / self.count.clamp_min(1.0), 1.0)


class NormalizedVector(nn.Module):
    """One observation of the task, normalised: x ↦ clip((x - mean) / √(variance + ε), ±10), where a feature that never changes is 0.

    The statistics in use change in `refresh` alone: a rollout and the updates on it see the same ones, so that the probabilities stored
    with its actions are those that the policy has before the first update.

    Args:
        shape: Of the observation.
    """

    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.moments = RunningMoments(shape)
        self.register_buffer("offset", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    @torch.no_grad()
    def refresh(self) -> None:
        """Use the statistics of all rows so far from now on."""
        self.offset.copy_(self.moments.mean)
        self.scale.copy_((self.moments.variance + EPS).rsqrt())

    @torch.no_grad()
    def standardise(self) -> None:
        """Use the mean and the deviation of all rows so far, x ↦ clip((x - mean) / (deviation + 10⁻³), ±10), from now on."""
        self.offset.copy_(self.moments.mean)
        self.scale.copy_(1.0 / (self.moments.variance.sqrt() + DATA_EPS))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Observations ``(…, *shape)``, or several in one ``(…, stack * D)``."""
        if observation.shape[-1:] == self.offset.shape[-1:]:
            return ((observation - self.offset) * self.scale).clamp(-LIMIT, LIMIT)
        frames = observation.reshape(*observation.shape[:-1], -1, self.offset.shape[-1])
        return self.forward(frames).flatten(-2)


class ObservationNormalizer(nn.Module):
    """Normalises the vectors among the observations of a task; pictures and choices stay as they are.

    Args:
        spec: Of the task, as the agent reads it.

    Raises:
        UsageError: If no environment is stepped on the task, or it shows no vector of floats.
    """

    updates: torch.Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        _refuse_data(spec, "normalize_observations")
        vectors = {name: space.shape for name, space in spec.spaces.items() if space.dtype.startswith("float") and not space.is_picture}
        vectors.pop("obs.action_mask", None)  # flags
        if not vectors:
            shown = ", ".join(f"{space.dtype} {space.shape}" for space in spec.spaces.values())
            what = f"agent.normalize_observations normalises vectors of floats, and this task shows {shown}"
            raise UsageError(Problem(what, "leave it out"))
        self.names = list(vectors)
        self.vectors = nn.ModuleList(map(NormalizedVector, vectors.values()))  # names may have dots, which a ModuleDict refuses
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(self, observation: Any) -> Any:
        """An observation ``(…, *shape)``, or a mapping of named ones."""
        if not isinstance(observation, Mapping):
            return self.vectors[0](observation)
        vectors = self._by_name()
        return {name: vectors[f"obs.{name}"](each) if f"obs.{name}" in vectors else each for name, each in observation.items()}

    def observe(self, batch: Batch, updates: int, whole: bool) -> None:
        """Move the statistics by new observations.

        Args:
            batch: Has their columns.
            updates: Updates that the agent has done.
            whole: Whether it learns from whole rollouts: the statistics in use change after the updates on one.
        """
        refresh = not whole or updates != int(self.updates)
        for name, vector in self._by_name().items():
            vector.moments.update(batch[name])
            if refresh:
                vector.refresh()
        self.updates.fill_(updates)

    def fit(self, rows: Iterable[Batch]) -> None:
        """Standardise by all rows of a replay that is learned from alone; they have the columns of the observations."""
        for batch in rows:
            for name, vector in self._by_name().items():
                vector.moments.update(batch[name])
        for vector in self._by_name().values():
            vector.standardise()

    def _by_name(self) -> dict[str, NormalizedVector]:
        return cast("dict[str, NormalizedVector]", dict(zip(self.names, self.vectors, strict=True)))


class RewardNormalizer(nn.Module):
    """Divides rewards by the deviation of the running discounted return R ← γ R + r; the mean is not subtracted.

    The return of each environment begins at 0 in each episode. Normalised rewards, of n-step transitions their discounted sums, are clipped
    to ±10. Source: Engstrom et al. 2020, "Implementation Matters in Deep RL", section 3.

    Args:
        spec: Of the task.
        discount: γ.

    Attributes:
        returns: R of each environment, float64; `Agent.training_state` has it.

    Raises:
        UsageError: If no environment is stepped on the task.
    """

    def __init__(self, spec: Spec, discount: float) -> None:
        super().__init__()
        _refuse_data(spec, "normalize_rewards")
        self.discount, self.returns = discount, np.zeros(0)
        self.moments = RunningMoments(())

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """Rewards ``(B,)``."""
        return (reward * (self.moments.variance + EPS).rsqrt().to(reward.dtype)).clamp(-LIMIT, LIMIT)

    def observe(self, steps: StepBatch) -> None:
        """Move the statistics by the rewards of a step."""
        ids = steps.ids
        self.returns = np.pad(self.returns, (0, max(0, int(ids.max()) + 1 - len(self.returns))))
        self.returns[ids] = self.discount * self.returns[ids] + steps.reward
        self.moments.update(torch.from_numpy(self.returns[ids[~steps.failed]]))
        self.returns[ids[steps.over | steps.life_lost]] = 0.0


def _refuse_data(spec: Spec, option: str) -> None:
    if spec.task_type != "control":
        what = f"agent.{option} keeps statistics of environments, and this task is rows of a data set ({spec.task_type})"
        raise UsageError(Problem(what, "leave it out: rows of a data set are standardised by their mean and deviation"))
