"""AWAC: accelerating online reinforcement learning with offline datasets. Nair, Gupta, Dalal & Levine 2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified import Phase
from unified.agents import OffPolicyAgent

if TYPE_CHECKING:
    from unified import Builder, Spec


class AWAC(OffPolicyAgent):
    """An actor-critic whose policy imitates the actions of the replay, weighted by exp(A / λ): it is never pulled away from the data.

    L_π = -exp(A / λ) log π(a|s) with A = Q(s, a) - Q(s, a') and a' ~ π (Nair et al. 2020, equation 10).
    The critics learn by `td` from the policy's next action, without entropy.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("categorical" if spec.action.discrete else "gaussian")
        self.critic = self.make_critic()
        self.add_target("critic", options.tau)

    def phases(self) -> list[Phase]:
        weighted = self.build.objective("awr", beta=self.options.beta, max_weight=self.options.max_weight)
        return [self.critic_phase(), self.actor_phase(weighted)]
