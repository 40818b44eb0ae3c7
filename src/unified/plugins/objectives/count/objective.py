"""Count-based exploration: a reward for observations that were seldom reached."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from annotated_types import Ge, Le, Lt

from unified.core.base.spec import Space
from unified.core.learn.objective import Loss
from unified.core.replay.batch import Batch
from unified.plugins.objectives.intrinsic import Intrinsic, Novelty

if TYPE_CHECKING:
    from unified.core.envs.step_batch import StepBatch

#: Sizes of the tables: each code has a place in all of them, and two codes share all of their places hardly ever.
PRIMES = (65_521, 65_519, 65_497)
#: Observations whose mean and deviation a hash of similar ones stands on. They stay as they are then, and so do the codes.
FIT = 1_000


class Counts(Novelty):
    """How often each code of an observation was reached.

    A code by `SimHash` has one bit for each of k random hyperplanes, sgn(A g(o)): near observations share it (Charikar 2002). Here
    g(o) = (o standardised, 1), so that the planes do not all go through the mean. An exact code is another one for every observation.
    Counts are kept in tables of fixed size, of which the least counts (Cormode & Muthukrishnan 2005, count-min sketch).

    Args:
        space: Of a single observation.
        bits: Number k of hyperplanes; ``None``: exact codes.
    """

    planes: torch.Tensor
    factors: torch.Tensor
    sizes: torch.Tensor
    table: torch.Tensor

    def __init__(self, space: Space, bits: int | None) -> None:
        super().__init__(space)
        numbers, self.exact = math.prod(self.shape), bits is None
        self.register_buffer("planes", torch.zeros(0) if bits is None else torch.randn(numbers + 1, bits))
        self.register_buffer("factors", torch.randint(2**62, (numbers,)) | 1 if bits is None else 2 ** torch.arange(bits))
        self.register_buffer("sizes", torch.tensor(PRIMES))
        self.register_buffer("table", torch.zeros(len(PRIMES) * max(PRIMES), dtype=torch.int32))

    def observe(self, obs: torch.Tensor) -> None:
        """Nothing: rows that are learned from may be old ones."""

    def add(self, obs: torch.Tensor) -> None:
        """Count new observations ``(N, *shape)``."""
        if self.observations.count < FIT:
            self.observations.update(obs)
        places = self._places(obs).flatten()
        self.table.index_add_(0, places, torch.ones_like(places, dtype=self.table.dtype))

    def number(self, obs: torch.Tensor) -> torch.Tensor:
        """How often observations ``(N, *stacked)`` were reached, ``(N,)``."""
        return self.table[self._places(self.newest(obs))].amin(dim=-1)

    def codes(self, obs: torch.Tensor) -> torch.Tensor:
        """Of observations ``(N, *shape)``, int64 ``(N,)``."""
        if self.exact:
            rows = (obs.flatten(1).float() + 0.0).view(torch.int32).long()  # -0 is 0
        else:
            rows = self.standardised(obs).flatten(1)
            rows = (torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1) @ self.planes > 0).long()
        return (rows * self.factors).sum(dim=1)

    def _places(self, obs: torch.Tensor) -> torch.Tensor:
        """The places of observations in the tables, which lie one after another: ``(N, 3)``."""
        return self.codes(obs)[:, None] % self.sizes + max(PRIMES) * torch.arange(len(PRIMES), device=obs.device)

    def normalised(self, reward: torch.Tensor, discount: float, lane: torch.Tensor | None = None) -> torch.Tensor:
        """Rewards as they are: a count has no scale that changes."""
        return reward


class Count(Intrinsic):
    """r_i = 1 / √n(o'): n is how often the code of the observation o' was reached, this time included.

    Every new row of experience counts once, also for an agent that learns from a replay. Source: Tang, Houthooft, Foote et al. 2017,
    "#Exploration: A Study of Count-Based Exploration for Deep Reinforcement Learning", equation 1 and appendix A.

    Args:
        coef: Coefficient β of the bonus beside rewards of the task.
        discount: γ of intrinsic returns.
        hash: ``sim``: similar observations count as one; ``exact``: each for itself, for observations that are choices or grids.
        bits: Hyperplanes of ``sim``: more of them tell apart what is less different.
        hidden_dim: Units of each hidden layer of the intrinsic critic.
    """

    def __init__(
        self,
        coef: Annotated[float, Ge(0)] = 0.1,
        discount: Annotated[float, Ge(0), Lt(1)] = 0.99,
        hash: Literal["sim", "exact"] = "sim",
        bits: Annotated[int, Ge(1), Le(62)] = 32,
        hidden_dim: Annotated[int, Ge(1)] = 256,
    ) -> None:
        super().__init__(coef, discount, hidden_dim)
        self.hash, self.bits = hash, bits

    def make(self, agent: Any, space: Space) -> Novelty:
        return Counts(space, self.bits if self.hash == "sim" else None)

    def observe(self, agent: Any, steps: StepBatch) -> None:
        reached = steps.observation[~steps.failed]
        if len(reached):
            agent.novelty.add(torch.from_numpy(reached).to(agent.device))

    def bonus(self, agent: Any, obs: torch.Tensor, action: torch.Tensor, next_obs: torch.Tensor) -> torch.Tensor:
        number: torch.Tensor = agent.novelty.number(next_obs)
        return number.clamp_min(1).float().rsqrt()

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        novelty = self.bonus(agent, batch.obs, batch.action, batch.future_obs[:, 0]).mean()
        return Loss(torch.zeros_like(novelty) + self.value_loss(agent, batch), {"novelty": novelty})
