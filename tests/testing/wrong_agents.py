"""Agents that break one rule each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import UsageError
from unified.core.learn.actions import Action
from unified.core.learn.agent import UpdateResult
from unified.core.learn.objective import Phase
from unified.core.replay.batch import Batch
from unified.plugins.agents.drqv2.agent import DrQV2


class DriftsInActing(DrQV2):
    """A number that exploring changes, and that no checkpoint holds."""

    calls = 0

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = super().act(batch, explore=explore)
        if not explore:
            return action
        self.calls += 1
        return replace(action, action=action.action * 0.9**self.calls)


class DriftsInLearning(DrQV2):
    """A running mean of rewards in an attribute."""

    mean = 0.0

    def learn(self, batch: Batch) -> UpdateResult:
        self.mean = 0.9 * self.mean + 0.1 * float(batch.reward.nan_to_num().mean())
        return super().learn(batch.with_columns(reward=batch.reward - self.mean))


class SavesNoMoments(DrQV2):
    def training_state(self) -> dict[str, Any]:
        return {**super().training_state(), "optimizers": {}}

    def load_training_state(self, state: dict[str, Any]) -> None:
        super().load_training_state({**super().training_state(), **state, "optimizers": super().training_state()["optimizers"]})


class LoadsNoCount(DrQV2):
    def load_training_state(self, state: dict[str, Any]) -> None:
        super().load_training_state(state)
        self.updates = 0


class SavesAnObject(DrQV2):
    def training_state(self) -> dict[str, Any]:
        return {**super().training_state(), "when": object()}


class MovesMore(DrQV2):
    """A part that no phase trains moves all the same."""

    def __init__(self, spec: Any, options: Any, build: Any) -> None:
        super().__init__(spec, options, build)
        self.extra = nn.Linear(2, 2)

    def learn(self, batch: Batch) -> UpdateResult:
        learned = super().learn(batch)
        with torch.no_grad():
            self.extra.weight.mul_(1.0 - 0.01 * (learned.metrics["nonfinite"] == 0))
        return learned


class TrainsTheDead(DrQV2):
    """A part that is trained and never used."""

    def __init__(self, spec: Any, options: Any, build: Any) -> None:
        super().__init__(spec, options, build)
        self.extra = nn.Linear(2, 2)

    def phases(self) -> list[Phase]:
        first, *rest = super().phases()
        return [replace(first, trains=(*first.trains, "extra")), *rest]


class StepsIntoNothing(DrQV2):
    """Its optimiser says that it skips what is not finite, and does not."""

    def optimizer(self, part: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        optimizer = torch.optim.RMSprop(parameters, lr=1e-3)
        optimizer.defaults["fused"] = True
        return optimizer


class DrawsFromAnywhere(DrQV2):
    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = super().act(batch, explore=explore)
        return replace(action, action=action.action * torch.rand(1)) if explore else action


class NeverTheSame(DrQV2):
    def act(self, batch: Batch, *, explore: bool) -> Action:
        if explore:
            return super().act(batch, explore=True)
        action = super().act(batch, explore=False)
        if self.spec.action.discrete:
            return replace(action, env_action=torch.randint(2, action.env_action.shape))
        return replace(action, env_action=action.env_action * torch.rand(action.env_action.shape))


class RemembersBeingJudged(DrQV2):
    def __init__(self, spec: Any, options: Any, build: Any) -> None:
        super().__init__(spec, options, build)
        self.register_buffer("result", torch.zeros(()))

    def act(self, batch: Batch, *, explore: bool) -> Action:
        if not explore:
            self.result += 1
        return super().act(batch, explore=explore)


class GoesTooFar(DrQV2):
    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = super().act(batch, explore=explore)
        return replace(action, action=action.action.sign() * 1.5)


class TellsNothing(DrQV2):
    def learn(self, batch: Batch) -> UpdateResult:
        learned = super().learn(batch)
        return UpdateResult({**learned.metrics, "ratio": torch.tensor(0.0) / 0.0})


class TakesNothing(DrQV2):
    def __init__(self, spec: Any, options: Any, build: Any) -> None:
        raise UsageError("this agent takes nothing")
