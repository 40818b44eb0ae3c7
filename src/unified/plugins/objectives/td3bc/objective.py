"""TD3+BC: the actor climbs its critic and stays near the data."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.objective import Loss, Objective, Phase, frozen
from unified.core.learn.protocols import ActorCritic
from unified.core.replay.batch import Batch
from unified.plugins.architectures.critics import climbed
from unified.plugins.objectives.td.objective import TD


class TD3BC(Objective):
    """L = -λ mean Q₁(s, π(s)) + mean (π(s) - a)², with λ = α / mean |Q₁(s, π(s))|.

    λ makes the two terms comparable whatever the size of returns; it is a number and has no gradient. π(s) is the mode of a policy of
    numbers, and the squared error is averaged over rows and numbers. Where it replaces the objectives of an agent, the critic is trained
    by `td`. Source: Fujimoto & Gu 2021, "A minimalist approach to offline reinforcement learning", equations 3 and 5.

    Args:
        alpha: Weight α of the critic: 0 for behaviour cloning alone.
    """

    needs = ("obs", "action")
    parts = ("actor", "critic")
    trains = ("actor",)
    asks = {
        "policy": "(features) -> Policy",
        "critic": "(features, action) -> Value",
    }

    def __init__(self, alpha: Annotated[float, Ge(0)] = 2.5) -> None:
        super().__init__()
        self.alpha = alpha

    def attach(self, agent: Any) -> None:
        if agent.action_space.discrete:
            what = "objective td3bc is for policies of numbers, and this one is over choices"
            raise UsageError(Problem(what, "--agent iql, or --agent dqn -o +cql"))

    def phases(self) -> list[Phase]:
        """The critic by `td`, then the actor."""
        td = TD()
        td.selected = "td"
        return [Phase("critic", (td,), TD.trains), Phase("actor", (self,), self.trains)]

    def __call__(self, agent: ActorCritic, batch: Batch) -> Loss:
        action = agent.policy(batch.features).mode
        with frozen(agent.critic):
            value = climbed(agent.critic(batch.features, action), "first").mean
        weight = self.alpha / value.detach().abs().mean()
        cloning = (action - batch.action).square().mean()
        return Loss(cloning - weight * value.mean(), {"cloning": cloning.detach(), "lambda": weight})
