"""A2C: advantage actor-critic, the synchronous form of A3C. Mnih et al. 2016, "Asynchronous methods for deep reinforcement learning"."""

from __future__ import annotations

from unified import Phase
from unified.agents import OnPolicyAgent


class A2C(OnPolicyAgent):
    """On-policy actor-critic: short rollouts of several environments, and one step along the policy gradient for each.

    L = -log π(a|s) Â + c_v (V(s) - R)² - c_H H(π(·|s)), where R is the n-step return (``gae_lambda=1``) and Â = R - V_old(s)
    (Mnih et al. 2016, section 4 and algorithm S3).
    """

    def phases(self) -> list[Phase]:
        policy = self.build.objective("policy_gradient", normalize_advantage=self.options.normalize_advantage)
        return [self.policy_phase(policy, self.build.objective("value_mse", weight=self.options.vf_coef))]
