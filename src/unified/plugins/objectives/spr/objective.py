"""Self-predictive representations: the encoder is taught to tell what it will see after the actions that follow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import nn
from torch.nn import functional as F

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.learn.actions import one_hot
from unified.core.learn.networks import output_shape
from unified.core.learn.objective import Loss, Objective
from unified.core.replay.batch import Batch
from unified.core.replay.views import Transitions, View

#: τ of what is predicted, with augmentation and without, as the README of the paper's code recommends.
AUGMENTED, PLAIN = 1.0, 0.01


class SPR(Objective):
    """L = w · mean of ‖y_k - ȳ_k‖² = 2 - 2 cos(y_k, ȳ_k) over rows and k = 1 … K: y_k = q(p(ẑ_{t+k})), ȳ_k = p̄(z̄_{t+k}), both of norm 1.

    ẑ_t = z_t and ẑ_{t+k} = h(ẑ_{t+k-1}, a_{t+k-1}). z are the encoder's features, scaled (`scaled`); dynamics h, projector p and
    predictor q are trained with the encoder. The encoder and the projector of what is predicted, z̄ and p̄, follow these and get no
    gradient; it is augmented where the agent augments. They follow with τ = 1, which is to share the online ones without gradient, where
    there is augmentation, and with τ = 0.01 where there is none. Rows count by their importance weights.

    Source: Schwarzer et al. 2021, "Data-Efficient Reinforcement Learning with Self-Predictive Representations", section 2.2, and its code:
    the weight 5 belongs to 2 - 2 cos averaged over K. Three differences. p is the critic's first layer there and a layer of its own here,
    so that any critic will do. Steps beyond the end of an episode count in neither, but here the mean is over the steps that are left in
    the batch, and there over all K, so that rows near an end weigh less. Without augmentation the code also drops out features; here
    nothing does.

    Args:
        weight: Coefficient of the loss, 2 - 2 cos for each step, beside the others of its phase.
        jumps: Number K of predicted steps.
        tau: Rate at which the momentum encoder and projector follow; null: 1, a copy, where the agent augments, else 0.01.
        hidden_dim: Units, or channels, between the two layers of the dynamics.
        projection: Size of the projections that are compared.
    """

    needs = ("obs", "weight", "future_obs", "future_action", "future_mask")
    parts = ("encoder",)
    trains = ("encoder",)
    asks = {
        "encode": "(observation, encoder) -> Tensor",
        "generator": "(name) -> torch.Generator",
        "action_space": "Space",
        "spec": "Spec",
    }

    def __init__(
        self,
        weight: Annotated[float, Ge(0)] = 5.0,
        jumps: Annotated[int, Ge(1)] = 5,
        tau: Annotated[float, Gt(0), Le(1)] | None = None,
        hidden_dim: Annotated[int, Ge(1)] = 256,
        projection: Annotated[int, Ge(1)] = 256,
    ) -> None:
        super().__init__()
        self.weight, self.jumps, self.tau, self.hidden_dim, self.projection = weight, jumps, tau, hidden_dim, projection

    def extend_view(self, view: View) -> View:
        if not isinstance(view, Transitions):
            shown = f"the agent's view here ({type(view).__name__}) shows none"
            what = f"objective {self.label} predicts the steps that follow, and {shown}"
            raise UsageError(Problem(what, "on a task of control: --agent dqn, sac, drqv2 or ac2"))
        return replace(view, future_steps=max(view.future_steps, self.jumps))

    def attach(self, agent: Any) -> None:
        if not any(parameter.requires_grad for parameter in agent.encoder.parameters()):
            raise UsageError(Problem(f"objective {self.label} trains the encoder, and this one has nothing to train", "encoder=mlp"))
        first, *others = agent.spec.observation.shape or (1,)
        shape = output_shape(agent.encoder, (first * agent.view.stack, *others))
        action = agent.action_space
        agent.add_modules(
            dynamics=Dynamics(shape, action.size * (action.n or 1), self.hidden_dim),
            projector=nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), self.projection)),
            predictor=nn.Linear(self.projection, self.projection),
        )
        tau = self.tau if self.tau is not None else AUGMENTED if augments(agent) else PLAIN
        agent.add_target("encoder", tau, name="momentum_encoder")
        agent.add_target("projector", tau, name="momentum_projector")

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        steps = slice(self.jumps)
        action, mask = numbers(batch.future_action[:, steps], agent.action_space), batch.future_mask[:, steps]
        latent, predicted = scaled(batch.features), []
        for k in range(self.jumps):
            latent = agent.dynamics(latent, action[:, k])
            predicted.append(agent.predictor(agent.projector(latent)))
        cosine = F.cosine_similarity(torch.stack(predicted, dim=1), self._seen(agent, batch.future_obs[:, steps]), dim=-1)  # (B, K)
        count = mask.sum().clamp_min(1.0)
        loss = (batch.weight[:, None] * mask * (2.0 - 2.0 * cosine)).sum() / count
        return Loss(self.weight * loss, {"spr_cosine": (cosine * mask).sum().detach() / count})

    @torch.no_grad()
    def _seen(self, agent: Any, future: torch.Tensor) -> torch.Tensor:
        """What is to be predicted: observations ``(B, K, *observation)`` as the copies that follow see them, ``(B, K, projection)``."""
        obs = future.flatten(0, 1)
        if getattr(agent, "aug", None) is not None:
            obs = agent.aug(obs, agent.generator("spr"))
        seen = scaled(agent.encode(obs, agent.momentum_encoder))
        projected: torch.Tensor = agent.momentum_projector(seen)
        return projected.unflatten(0, future.shape[:2])


class Dynamics(nn.Module):
    """Features and an action to the features of the next step: what changes is added.

    Maps go through two convolutions, the action as further planes; vectors through two linear layers. Each row is normalised by itself,
    where the paper normalises batches.

    Args:
        shape: Of the features, ``(C, H, W)`` for a map; anything else counts as a vector.
        actions: Numbers of an action.
        hidden_dim: Channels, or units, between the two layers.
    """

    def __init__(self, shape: tuple[int, ...], actions: int, hidden_dim: int) -> None:
        super().__init__()
        if len(shape) == 3:
            first: nn.Module = nn.Conv2d(shape[0] + actions, hidden_dim, 3, padding=1)
            last: nn.Module = nn.Conv2d(hidden_dim, shape[0], 3, padding=1)
        else:
            first, last = nn.Linear(math.prod(shape) + actions, hidden_dim), nn.Linear(hidden_dim, math.prod(shape))
        self.change = nn.Sequential(first, nn.GroupNorm(1, hidden_dim), nn.ReLU(inplace=True), last)

    def forward(self, latent: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """``(B, D)`` or ``(B, C, H, W)``, and ``(B, A)``, to the next latent of the same shape, scaled."""
        planes = action.view(*action.shape, *[1] * (latent.dim() - 2)).expand(-1, -1, *latent.shape[2:])
        return scaled(latent + self.change(torch.cat([latent, planes], dim=1)))


def augments(agent: Any) -> bool:
    """Whether an agent learns from augmented observations."""
    aug = getattr(agent, "aug", None)
    return aug is not None and any(not isinstance(each, nn.Identity | nn.Sequential) for each in aug.modules())


def scaled(features: torch.Tensor) -> torch.Tensor:
    """Features ``(B, C, H, W)``, or ``(B, …)`` as one vector ``(B, D)``, in float32 and between 0 and 1 within each row.

    Source: Schrittwieser et al. 2020 (MuZero), appendix G; so in SPR.

    >>> scaled(torch.tensor([[-1.0, 0.0, 3.0]])).round(decimals=2)
    tensor([[0.0000, 0.2500, 1.0000]])
    """
    flat = features.flatten(1).float()
    low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    flat = (flat - low) / (high - low + 1e-5)
    return flat.view_as(features) if features.dim() == 4 else flat


def numbers(action: torch.Tensor, space: Space) -> torch.Tensor:
    """Stored actions ``(B, K, *action)`` as numbers ``(B, K, A)``: each choice as 1 among zeros.

    >>> numbers(torch.tensor([[2, 0]]), Space((), "int64", 0, 2, n=3)).tolist()
    [[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
    """
    if space.n is not None:
        action = one_hot(action, space.n)
    return action.flatten(2) if action.dim() > 2 else action.unsqueeze(2)
