"""Uniform random actions: the floor that every agent is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified import Action, Agent, Batch, ContinuousActions, DiscreteActions, Labelled, Transitions
from unified.nets import action_mask, uniform

if TYPE_CHECKING:
    from unified import Builder, Space, Spec, View


class Random(Agent):
    """Acts uniformly at random and learns nothing; in generation, every pixel is random."""

    named_observations = True
    masked_actions = True

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = DiscreteActions(spec.action) if spec.action.discrete else ContinuousActions(spec.action)

    @property
    def base_view(self) -> View:
        if self.spec.task_type == "generate":  # no environment to act in: rows are read, and the generated ones are evaluated
            return Labelled()
        return Transitions(batch_size=1, stack=1, updates_per_step=0.0, learn_after=0, n_step=1, discount=1.0)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def act(self, batch: Batch, *, explore: bool) -> Action:
        generator = self.generator("explore" if explore else "evaluate")
        return self.actions.to_env(uniform(self.action_space, batch.size, generator, action_mask(self.spec, batch.obs)), None)
