"""Conservative Q-learning: actions that are not in the data lose value."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from annotated_types import Ge

from unified.core.learn.objective import Loss, Objective
from unified.core.replay.batch import Batch
from unified.plugins.architectures.actors import uniform


class CQL(Objective):
    """L = α (log ∫ exp Q(s, a) da - Q(s, a_data)), summed over the critics; it is added to `td`: ``-o +cql``.

    Over choices the integral is a sum. Of numbers it is estimated by N uniform actions, N of the policy at s, and N of the policy at the
    next state s', all of them valued at s, each weighted by the inverse of the density that it was drawn with: log Σ exp(Q - log p), with
    p = 2⁻ᴰ for uniform ones. No gradient reaches the policy. Source: Kumar et al. 2020, "Conservative Q-learning for offline
    reinforcement learning", equation 4 and appendix F.

    Args:
        alpha: Weight α.
        samples: Number N of actions of each of the three kinds.
    """

    needs = ("obs", "action", "next_obs")
    parts = ("critic",)
    trains = ("encoder", "critic")
    asks = {
        "critic": "(features, action) -> Value",
        "noise": "() -> torch.Generator",
        "policy": "(features) -> Policy",
    }

    def __init__(self, alpha: Annotated[float, Ge(0)] = 5.0, samples: Annotated[int, Ge(1)] = 10) -> None:
        super().__init__()
        self.alpha, self.samples = alpha, samples

    def __call__(self, agent: Any, batch: Batch) -> Loss:
        if agent.action_space.discrete:
            values = agent.critic(batch.features)
            everywhere = values.mean.logsumexp(dim=-1)  # (E, B), or (E, B, D) of D choices, whose value is the average of theirs
            everywhere = everywhere.mean(dim=-1) if everywhere.dim() > 2 else everywhere
            taken = values.gather(batch.action).mean
        else:
            everywhere = self._sampled(agent, batch)
            taken = agent.critic(batch.features, batch.action).mean
        gap = (everywhere - taken).mean(dim=1)  # (E,)
        return Loss(self.alpha * gap.sum(), {"gap": gap.detach().mean()})

    def _sampled(self, agent: Any, batch: Batch) -> torch.Tensor:
        """log Σ exp(Q(s, a) - log p(a)) over the sampled actions: ``(E, B)``."""
        with torch.no_grad():
            random = uniform(agent.action_space, self.samples * batch.size, agent.noise())
            actions, log_probs = [random], [torch.full((len(random),), -agent.action_space.size * math.log(2.0), device=random.device)]
            for features in (batch.features, batch.next_features):
                action, log_prob = agent.policy(features.repeat(self.samples, 1)).sample_and_log_prob(agent.noise())
                actions.append(action)
                log_probs.append(log_prob)
        values = agent.critic(batch.features.repeat(3 * self.samples, 1), torch.cat(actions)).mean  # (E, 3 N B)
        weighted: torch.Tensor = (values - torch.cat(log_probs)).unflatten(-1, (3 * self.samples, batch.size))
        return weighted.logsumexp(dim=1)
