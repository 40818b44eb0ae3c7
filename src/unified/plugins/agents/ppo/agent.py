"""PPO: proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unified import Phase
from unified.agents import OnPolicyAgent

if TYPE_CHECKING:
    from unified import UpdateResult


class PPO(OnPolicyAgent):
    """On-policy actor-critic: rollouts of several environments, generalised advantages, clipped updates in minibatches.

    L = -min(ρ Â, clip(ρ, 1 - ε, 1 + ε) Â) + c_v (V(s) - R)² - c_H H(π(·|s)), where ρ = π(a|s) / π_old(a|s) (Schulman et al. 2017,
    equations 7 and 9), Â_t = Σ_l (γ λ)^l δ_{t+l} with δ_t = r_t + γ V(s_{t+1}) - V(s_t) (equations 11 and 12), and R = Â + V_old(s).
    """

    def phases(self) -> list[Phase]:
        o = self.options
        policy = self.build.objective("ppo_clip", clip_range=o.clip_range, normalize_advantage=o.normalize_advantage)
        return [self.policy_phase(policy, self.build.objective("value_mse", weight=o.vf_coef, clip_range=o.clip_range_vf))]

    def ends_rollout(self, result: UpdateResult) -> bool:
        """Whether the policy has moved 1.5 times ``target_kl`` away from the one that acted, as Stable-Baselines3 has it."""
        limit = self.options.target_kl
        return limit is not None and "kl" in result.metrics and float(result.metrics["kl"]) > 1.5 * limit
