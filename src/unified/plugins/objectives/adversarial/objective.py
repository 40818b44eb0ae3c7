"""Generative adversarial learning, through the path of an actor and its critic."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch.nn import functional as F

from unified.core.learn.objective import Loss, Objective, Phase, frozen
from unified.core.learn.protocols import ActorCritic
from unified.core.replay.batch import Batch

GameLoss = Literal["nonsaturating", "hinge", "relativistic"]


class Adversarial(Objective):
    """The critic tells what was done from what the actor does; the actor climbs the critic, as in `dpg`.

    | loss | critic | actor |
    |---|---|---|
    | nonsaturating | softplus(-D(x)) + softplus(D(x')) | softplus(-D(x')) |
    | hinge | max(0, 1 - D(x)) + max(0, 1 + D(x')) | -D(x') |
    | relativistic | softplus(D(x') - D(x)) | softplus(D(x) - D(x')) |

    x is from the batch and x' from the actor. R1 and R2 add ½ γ ‖∇D‖² at x and at x'. Sources: Goodfellow et al. 2014; Lim & Ye 2017;
    Jolicoeur-Martineau 2019 and Huang et al. 2024 (R3GAN); Mescheder et al. 2018, equation 9 (R1, R2).

    Args:
        loss: Loss of the game: nonsaturating, hinge or relativistic.
        r1: Weight γ of the gradient penalty at real rows.
        r2: Weight γ of the gradient penalty at generated rows.
    """

    task_types = ("generate",)
    needs = ("obs", "action")
    parts = ("actor", "critic")
    trains = ("critic", "actor")
    asks = {
        "policy": "(features) -> Policy",
        "critic": "(features, action) -> Value",
        "noise": "() -> torch.Generator",
    }

    def __init__(self, loss: GameLoss = "relativistic", r1: Annotated[float, Ge(0)] = 0.1, r2: Annotated[float, Ge(0)] = 0.1) -> None:
        super().__init__()
        self.loss, self.r1, self.r2 = loss, r1, r2

    def phases(self) -> list[Phase]:
        """The critic first, then the actor against the critic that it has become."""
        return [
            Phase("critic", (DiscriminatorLoss(self.loss, self.r1, self.r2),), trains=("critic",)),
            Phase("actor", (GeneratorLoss(self.loss),), trains=("actor",)),
        ]

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        discriminator, generator = DiscriminatorLoss(self.loss, self.r1, self.r2)(agent, batch), GeneratorLoss(self.loss)(agent, batch)
        return Loss(discriminator.value + generator.value, {**discriminator.metrics, **generator.metrics})


class DiscriminatorLoss(Objective):
    """The critic's part of `Adversarial`."""

    needs, parts = ("obs", "action"), ("actor", "critic")
    task_types, asks = Adversarial.task_types, Adversarial.asks

    def __init__(self, loss: GameLoss, r1: float, r2: float) -> None:
        super().__init__()
        self.loss, self.r1, self.r2 = loss, r1, r2

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        with torch.no_grad():
            made = agent.policy(batch.features).sample(agent.noise())
        real = batch.action.detach().requires_grad_(self.r1 > 0)
        made = made.detach().requires_grad_(self.r2 > 0)
        of_real, of_made = agent.critic(batch.features, real).mean, agent.critic(batch.features, made).mean  # (E, B)
        if self.loss == "hinge":
            loss = F.relu(1.0 - of_real) + F.relu(1.0 + of_made)
        elif self.loss == "relativistic":
            loss = F.softplus(of_made - of_real)
        else:
            loss = F.softplus(-of_real) + F.softplus(of_made)
        total = loss.mean()
        for weight, value, action in ((self.r1, of_real, real), (self.r2, of_made, made)):
            if weight:
                (slope,) = torch.autograd.grad(value.sum(), action, create_graph=True)
                total = total + 0.5 * weight * slope.square().flatten(1).sum(dim=-1).mean()
        return Loss(total, {"judged_real": of_real.detach().mean(), "judged_made": of_made.detach().mean()})


class GeneratorLoss(Objective):
    """The actor's part of `Adversarial`."""

    needs, parts = ("obs", "action"), ("actor", "critic")
    task_types, asks = Adversarial.task_types, Adversarial.asks

    def __init__(self, loss: GameLoss) -> None:
        super().__init__()
        self.loss = loss

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        with frozen(agent.critic):
            made = agent.policy(batch.features).rsample(agent.noise())
            of_made = agent.critic(batch.features, made).mean
            if self.loss == "hinge":
                loss = -of_made
            elif self.loss == "relativistic":
                loss = F.softplus(agent.critic(batch.features, batch.action).mean.detach() - of_made)
            else:
                loss = F.softplus(-of_made)
        return Loss(loss.mean())
