"""PPO: proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017."""

from __future__ import annotations

from unified import Phase
from unified.agents import OnPolicyAgent


class PPO(OnPolicyAgent):
    """On-policy actor-critic: rollouts of several environments, generalised advantages, clipped updates in minibatches."""

    def phases(self) -> list[Phase]:
        o = self.options
        terms = [self.build.objective("ppo_clip", clip_range=o.clip_range), self.build.objective("value_mse", weight=o.vf_coef)]
        if o.ent_coef:
            terms.append(self.build.objective("entropy", weight=o.ent_coef))
        return [Phase("policy", tuple(terms), trains=(*self.shared, "actor", "critic"), max_grad_norm=o.max_grad_norm)]
