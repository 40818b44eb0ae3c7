"""Uniform random actions: the floor that every agent is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unified.core.base.spec import Space
from unified.core.learn.actions import Action, ContinuousActions
from unified.core.learn.agent import Agent
from unified.core.learn.discrete_actions import DiscreteActions
from unified.core.replay.batch import Batch
from unified.core.replay.views import Labelled, Transitions, View
from unified.plugins.architectures.actors import uniform

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.learn.builder import Builder


class Random(Agent):
    """Acts uniformly at random and learns nothing; where something is to be made, every pixel is random."""

    def __init__(self, spec: Spec, options: Any, build: Builder) -> None:
        super().__init__(spec, options, build)
        self.actions = DiscreteActions(spec.action) if spec.action.discrete else ContinuousActions(spec.action)

    @property
    def base_view(self) -> View:
        if self.spec.task_type == "generate":  # there is nothing to act in: rows are read, and what is made is judged
            return Labelled()
        return Transitions(batch_size=1, stack=1, updates_per_step=0.0, learn_after=0, n_step=1, discount=1.0)

    @property
    def action_space(self) -> Space:
        return self.actions.space

    def act(self, batch: Batch, *, explore: bool) -> Action:
        generator = self.generator("explore" if explore else "evaluate")
        return self.actions.to_env(uniform(self.action_space, len(batch.obs), generator), None)
