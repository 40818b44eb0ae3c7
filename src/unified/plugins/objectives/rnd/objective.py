"""Random network distillation: a reward for observations that a network cannot predict yet."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import nn

from unified.core.base.spec import Space
from unified.core.learn.objective import Loss
from unified.core.replay.batch import Batch
from unified.plugins.objectives.intrinsic import Intrinsic, Novelty, network


class Distillation(Novelty):
    """A fixed random network, and the one that learns to predict it: one hidden layer deeper.

    Args:
        space: Of a single observation.
        outputs: Numbers that are predicted.
        hidden_dim: Units of each hidden layer.
    """

    def __init__(self, space: Space, outputs: int, hidden_dim: int) -> None:
        super().__init__(space)
        self.target: nn.Module = network(space, outputs, hidden_dim, 1).requires_grad_(False)
        self.predictor: nn.Module = network(space, outputs, hidden_dim, 2)

    def error(self, obs: torch.Tensor) -> torch.Tensor:
        """‖f̂(o) - f(o)‖² / 2 of observations, ``(N,)``."""
        seen = self.standardised(obs)
        return 0.5 * (self.predictor(seen) - self.target(seen)).square().sum(dim=-1)


class RND(Intrinsic):
    """r_i = ‖f̂(o') - f(o')‖² / 2: f is a fixed random network, and f̂ is trained to predict it on the observations o' that were reached.

    Observations are standardised by running statistics and clipped to ±5, rewards divided by the running deviation of their discounted sum.
    The predictor learns from a part of the rows, so that it does not learn faster with more environments. Source: Burda, Edwards, Storkey
    & Klimov 2019, "Exploration by Random Network Distillation", sections 2.2 to 2.4; with the authors' ratio of 2 Â_e + 1 Â_i.

    Args:
        coef: Coefficient c of intrinsic advantages or rewards beside those of the task.
        discount: γ of intrinsic returns.
        share: Share of the rows that the predictor learns from.
        hidden_dim: Units of each hidden layer of the networks.
        outputs: Numbers that are predicted.
    """

    def __init__(
        self,
        coef: Annotated[float, Ge(0)] = 0.5,
        discount: Annotated[float, Ge(0), Lt(1)] = 0.99,
        share: Annotated[float, Gt(0), Le(1)] = 0.25,
        hidden_dim: Annotated[int, Ge(1)] = 256,
        outputs: Annotated[int, Ge(1)] = 128,
    ) -> None:
        super().__init__(coef, discount, hidden_dim)
        self.share, self.outputs = share, outputs

    def make(self, agent: Any, space: Space) -> Novelty:
        return Distillation(space, self.outputs, self.hidden_dim)

    def bonus(self, agent: Any, obs: torch.Tensor, action: torch.Tensor, next_obs: torch.Tensor) -> torch.Tensor:
        error: torch.Tensor = agent.novelty.error(next_obs)
        return error

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        error = agent.novelty.error(batch.future_obs[:, 0])
        kept = (torch.rand(len(error), generator=agent.generator("novelty"), device=error.device) < self.share).float()
        loss = 2.0 / self.outputs * (kept * error).sum() / kept.sum().clamp_min(1.0)
        return Loss(loss + self.value_loss(agent, batch), {"novelty": error.mean().detach()})
