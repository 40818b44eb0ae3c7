"""The variational autoencoder."""

from __future__ import annotations

from typing import Annotated, Protocol

import torch
from annotated_types import Ge, Gt

from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import HasNoise, HasPolicy, HasPosterior
from unified.core.replay.batch import Batch


class Decodes(HasPolicy, HasPosterior, HasNoise, Protocol):
    """An agent whose actor decodes and whose posterior encodes."""


class VAE(Objective):
    """L = -log π(x|z, o) + β KL(q(z|x, o) ‖ N(0, I)), z ~ q: the actor decodes, a posterior encodes; o is what is observed, if anything is.

    Both terms are sums over their numbers, averaged over rows. Sources: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", equation
    10 and appendix B; β: Higgins et al. 2017; o: Sohn et al. 2015.

    Args:
        beta: Weight β of the divergence.
        variance: Variance of each decoded number, within [-1, 1]: a smaller one asks for a more exact reconstruction.
    """

    task_types = ("generate",)
    needs = ("obs", "action")
    parts = ("actor", "posterior")
    trains = ("actor", "posterior")
    asks = {
        "policy": "(features) -> Policy",
        "posterior": "(action_and_obs) -> Tensor",
        "noise": "() -> torch.Generator",
    }

    def __init__(self, beta: Annotated[float, Ge(0)] = 1.0, variance: Annotated[float, Gt(0)] = 0.05) -> None:
        super().__init__()
        self.beta, self.variance = beta, variance

    def __call__(self, agent: Decodes, batch: Batch) -> Loss:
        mean, log_variance = agent.posterior(torch.cat([batch.action, batch.obs], dim=-1)).chunk(2, dim=-1)
        noise = torch.randn(mean.shape, generator=agent.noise(), device=mean.device)
        z = mean + (0.5 * log_variance).exp() * noise
        error = -agent.policy(torch.cat([z, batch.obs], dim=-1)).log_prob(batch.action) / self.variance
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)
        loss = (error + self.beta * divergence).mean()
        return Loss(loss, {"reconstruction": error.detach().mean(), "divergence": divergence.detach().mean()})
