"""PPO: proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified import Phase
from unified.agents import OnPolicyAgent

if TYPE_CHECKING:
    from unified import UpdateResult


class PPO(OnPolicyAgent):
    """On-policy actor-critic: rollouts of several environments, generalised advantages, clipped updates in minibatches."""

    def phases(self) -> list[Phase]:
        o = self.options
        policy = self.build.objective("ppo_clip", clip_range=o.clip_range, normalize_advantage=o.normalize_advantage)
        return [self.policy_phase(policy, self.build.objective("value_mse", weight=o.vf_coef, clip_range=o.clip_range_vf))]

    def ends_rollout(self, result: UpdateResult) -> bool:
        """Whether the policy has moved 1.5 times ``target_kl`` away from the one that acted, as Stable-Baselines3 has it."""
        limit = self.options.target_kl
        return limit is not None and "kl" in result.metrics and float(result.metrics["kl"]) > 1.5 * limit
