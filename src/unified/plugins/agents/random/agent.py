"""Uniform random actions: the floor that every agent is measured against."""

from __future__ import annotations

import torch

from unified.core.action import Action
from unified.core.agent import Agent
from unified.core.spec import Space
from unified.core.views import Transitions


class Random(Agent):
    """Acts uniformly at random and learns nothing."""

    @property
    def needs(self) -> Transitions:
        return Transitions(batch_size=1, stack=1, updates_per_step=0.0, learn_after=0, n_step=1, discount=1.0)

    @property
    def stored_action(self) -> Space:
        return self.spec.action

    def act(self, observation: torch.Tensor, *, explore: bool) -> Action:
        space = self.spec.action
        generator = self.draw("explore" if explore else "evaluate")
        shape = (len(observation), *space.shape)
        if space.choices is not None:
            action = torch.randint(space.choices, shape, generator=generator, device=self.device)
        else:
            action = torch.empty(shape, device=self.device).uniform_(-1.0, 1.0, generator=generator)
        return Action(action, action)
