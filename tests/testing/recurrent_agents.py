"""PPO with a memory by default, and relatives that break one rule of policy states each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from pydantic import Field

from unified.core.config.schema import Part
from unified.core.learn.actions import Action
from unified.core.replay.batch import Batch
from unified.plugins.agents.ppo.agent import PPO
from unified.plugins.agents.ppo.config import PPOOptions


class RecurrentOptions(PPOOptions):
    """PPO's, with short sequences."""

    memory: Part | None = "lstm"
    """Recurrent network."""
    sequence_length: int = Field(6, ge=1)
    """Steps of a sequence."""
    batch_size: int = Field(64, ge=1)
    """Steps of a minibatch."""


class Right(PPO):
    """Nothing is wrong with it."""


class SharesItsState(PPO):
    """All environments get the mean of their states."""

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = super().act(batch, explore=explore)
        return replace(action, state={name: rows.mean(0).expand_as(rows) for name, rows in action.state.items()})


class ForgetsItsState(PPO):
    """The next state is missing."""

    def act(self, batch: Batch, *, explore: bool) -> Action:
        return replace(super().act(batch, explore=explore), state={})


class WritesIntoItsBatch(PPO):
    """The next state takes the place of the one before."""

    def act(self, batch: Batch, *, explore: bool) -> Action:
        action = super().act(batch, explore=explore)
        for name, rows in action.state.items():
            batch[f"state.{name}"].copy_(rows)
        return action


class NeverResets(PPO):
    """Episodes within a sequence go on from each other."""

    def encode_batch(self, batch: Batch) -> Batch:
        return super().encode_batch(batch.with_columns(is_first=torch.zeros_like(batch.is_first)))


class ResetsTooLate(PPO):
    """By the end of the step before, one step late."""

    def encode_batch(self, batch: Batch) -> Batch:
        late = batch.is_first.roll(1, dims=1)
        late[:, 0] = False
        return super().encode_batch(batch.with_columns(is_first=late))


class StartsFromZeros(PPO):
    """Sequences do not start from the stored state."""

    def encode_batch(self, batch: Batch) -> Batch:
        zeros: dict[str, Any] = {name: torch.zeros_like(column) for name, column in batch.items() if name.startswith("state.")}
        return super().encode_batch(batch.with_columns(**zeros))


class SwapsStepsAndSequences(PPO):
    """Reads ``(B, T)`` as ``(T, B)``."""

    def encode_batch(self, batch: Batch) -> Batch:
        rows, mask = batch.steps(), batch.mask
        features = torch.zeros(*mask.shape, self.encode(rows.obs).flatten(1).shape[1])
        features[mask] = self.encode(rows.obs).flatten(1)
        swapped = features.flatten(0, 1).view(mask.shape[1], mask.shape[0], -1).transpose(0, 1)
        self._seen = None
        return rows.with_columns(features=self.memory.unroll(swapped, batch.state, batch.is_first)[mask])
