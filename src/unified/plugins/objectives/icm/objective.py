"""Intrinsic curiosity: a reward for what an action did that was not expected."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge, Le, Lt
from torch import nn
from torch.nn import functional as F

from unified.core.base.spec import Space
from unified.core.learn.objective import Loss
from unified.core.replay.batch import Batch
from unified.plugins.architectures.mlp.network import MLP
from unified.plugins.objectives.intrinsic import Intrinsic, Novelty, network
from unified.plugins.objectives.spr.objective import numbers


class Curiosity(Novelty):
    """Features φ of observations, the inverse model (φ, φ') → a, and the forward model (φ, a) → φ'.

    Args:
        space: Of a single observation.
        actions: Of the actions that the agent stores.
        features: Numbers of φ.
        hidden_dim: Units of each hidden layer.
    """

    def __init__(self, space: Space, actions: Space, features: int, hidden_dim: int) -> None:
        super().__init__(space)
        self.actions = actions
        size = actions.size * (actions.n or 1)
        self.features = network(space, features, hidden_dim, 1)
        self.inverse: nn.Module = MLP(2 * features, size, hidden_dim, 1)
        self.forward_model: nn.Module = MLP(features + size, features, hidden_dim, 1)

    def error(self, before: torch.Tensor, action: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """½ ‖φ̂' - φ'‖² ``(N,)`` of features ``(N, F)``."""
        guess = self.forward_model(torch.cat([before, numbers(action[:, None], self.actions)[:, 0]], dim=1))
        return 0.5 * (guess - after).square().sum(dim=-1)

    def inverse_loss(self, before: torch.Tensor, action: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of choices, or squared error of numbers, averaged over the rows."""
        told = self.inverse(torch.cat([before, after], dim=1))
        if self.actions.n is None:
            return F.mse_loss(told, action.flatten(1))
        return F.cross_entropy(told.view(-1, self.actions.n), action.reshape(-1))


class ICM(Intrinsic):
    """r_i = ½ ‖φ̂(s') - φ(s')‖², L = (1 - β) L_I + β L_F: features φ tell which action was taken, and so ignore what no action changes.

    L_I is the loss of the inverse model, which trains φ; L_F = r_i that of the forward model φ̂(s') = f(φ(s), a), on features without
    gradient. Observations and rewards are normalised as by `rnd`, in the place of the paper's scale η. Source: Pathak, Agrawal, Efros &
    Darrell 2017, "Curiosity-driven Exploration by Self-supervised Prediction", equations 2 to 7.

    Args:
        coef: Coefficient c of intrinsic advantages or rewards beside those of the task.
        discount: γ of intrinsic returns.
        beta: Weight β of the forward loss against the inverse one.
        hidden_dim: Units of each hidden layer of the networks.
        features: Numbers of φ.
    """

    def __init__(
        self,
        coef: Annotated[float, Ge(0)] = 0.5,
        discount: Annotated[float, Ge(0), Lt(1)] = 0.99,
        beta: Annotated[float, Ge(0), Le(1)] = 0.2,
        hidden_dim: Annotated[int, Ge(1)] = 256,
        features: Annotated[int, Ge(1)] = 64,
    ) -> None:
        super().__init__(coef, discount, hidden_dim)
        self.beta, self.features = beta, features

    def make(self, agent: Any, space: Space) -> Novelty:
        return Curiosity(space, agent.action_space, self.features, self.hidden_dim)

    def _features(self, agent: Any, obs: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = agent.novelty.features(agent.novelty.standardised(obs))
        return features

    def bonus(self, agent: Any, obs: torch.Tensor, action: torch.Tensor, next_obs: torch.Tensor) -> torch.Tensor:
        error: torch.Tensor = agent.novelty.error(self._features(agent, obs), action, self._features(agent, next_obs))
        return error

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        before, after = self._features(agent, batch.obs), self._features(agent, batch.future_obs[:, 0])
        inverse = agent.novelty.inverse_loss(before, batch.action, after)
        forward = agent.novelty.error(before.detach(), batch.action, after.detach()).mean()
        loss = (1 - self.beta) * inverse + self.beta * forward
        return Loss(loss + self.value_loss(agent, batch), {"novelty": forward.detach(), "inverse_loss": inverse.detach()})
