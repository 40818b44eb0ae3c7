"""IQL: offline reinforcement learning with implicit Q-learning. Kostrikov, Nair & Levine 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from unified import Phase, Problem, UsageError
from unified.agents import OffPolicyAgent

if TYPE_CHECKING:
    from unified import Batch, Builder, Spec
    from unified.heads import Value


class IQL(OffPolicyAgent):
    """An actor-critic for data that is there already: V is an expectile of the values of the actions taken, and Q bootstraps from V.

    L_V = |τ - 1{u < 0}| u² with u = Q̄(s, a) - V(s), L_Q = (r + γ V(s') - Q(s, a))² and L_π = -exp(β u) log π(a|s) (Kostrikov et al. 2021,
    equations 5 to 7). No action that is not in the data is ever valued. As in the code of the authors, V and the policy learn from the
    target critics, in the order V, policy, Q, target critics; the policy over numbers is a normal distribution with a mean squashed by tanh
    and a deviation that is the same in every state. A density that is squashed itself would make actions at the bounds infinitely likely.
    """

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actor = self.make_actor("categorical" if spec.action.discrete else "gaussian")
        self.critic = self.make_critic()
        self.value = self.make_value(options.value)
        heads = [getattr(each.head, "name", each.head) for each in (options.critic, options.value)]
        if heads[0] != heads[1]:
            what = f"critic.head={heads[0]} and agent.value.head={heads[1]} differ, and Q bootstraps from V"
            raise UsageError(Problem(what, f"agent.value.head={heads[0]}"))
        self.add_target("critic", options.tau)

    def phases(self) -> list[Phase]:
        weighted = self.build.objective("awr", beta=self.options.beta, max_weight=self.options.max_weight)
        return [
            Phase("value", (self.build.objective("expectile", expectile=self.options.expectile),), trains=("value",)),
            self.actor_phase(weighted),
            self.critic_phase(),
        ]

    def taken_value(self, batch: Batch) -> Value:
        """Q̄(s, a) of the actions of the batch, by the target critics reduced to one: ``(1, B)``."""
        return self.reduced(self.get_submodule("critic_target")(batch.features, batch.action), batch)

    @torch.no_grad()
    def advantage(self, batch: Batch) -> torch.Tensor:
        """Q̄(s, a) - V(s), ``(B,)``."""
        advantage: torch.Tensor = self.taken_value(batch).mean[0] - self.value(batch.features).mean[0]
        return advantage

    def bootstrap(self, batch: Batch) -> Value:
        """V(s')."""
        value: Value = self.value(batch.next_features)
        return value
