"""Learning a labelled task by reward: the label is never shown, only how good an answer was."""

from __future__ import annotations

from typing import Protocol

import torch

from unified.core.envs.dataset import rewards
from unified.core.learn.objective import Loss, Objective
from unified.core.learn.protocols import ActorCritic, Acts, TemporalDifference
from unified.core.replay.batch import Batch
from unified.plugins.objectives.dpg.objective import DPG
from unified.plugins.objectives.td.objective import TD


class Answers(Acts, ActorCritic, TemporalDifference, Protocol):
    """An actor-critic that acts."""


class ReinforceCritic(Objective):
    """The agent answers, its critic learns what the answer was worth, and its actor climbs the critic: `TD` + `DPG` on its own answers.

    Each row is an episode of one step: r = 1 for the right choice, or minus the mean squared error of numbers, and discount 0.
    """

    needs = ("obs", "label", "weight")
    parts = ("actor", "critic")
    trains = ("encoder", "critic", "actor")
    asks = {
        "act": "(batch) -> Action",
        "policy": "(features) -> Policy",
        "critic": "(features, action) -> Value",
        "noise": "() -> torch.Generator",
        "bootstrap": "(batch) -> Value",
    }

    def __call__(self, agent: Answers, batch: Batch) -> Loss:
        answer = agent.act(batch, explore=True)
        reward = rewards(agent.spec, answer.env_action, batch.label).to(torch.float32)
        features = batch.features.detach()
        acted = batch.with_columns(action=answer.action, reward=reward, discount=torch.zeros_like(reward), next_features=features)
        critic = TD()(agent, acted)
        actor = DPG()(agent, acted.with_columns(features=features))
        return Loss(critic.value + actor.value, {**critic.metrics, **actor.metrics, "reward": reward.mean()})
