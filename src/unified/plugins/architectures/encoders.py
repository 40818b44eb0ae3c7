"""The encoder of an agent: one vector of features, from pixels or from a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import output_shape
from unified.plugins.architectures.critics import with_mixture

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.learn.agent import Agent
    from unified.core.learn.builder import Builder
    from unified.core.replay.batch import Batch


#: Least height and width that drqv2_cnn leaves something of.
SMALLEST = 15


def shows_pixels(spec: Spec) -> bool:
    """Whether a task of control shows pictures: these are stacked, and shifted at random; a picture with a label stands alone."""
    return spec.task_type == "control" and len(spec.observation.shape) == 3


def make_encoder(build: Builder, selection: Any, spec: Spec, stack: int) -> tuple[nn.Module, int]:
    """The encoder that was selected, or identity for vectors, drqv2_cnn for pictures and cnn for tiny ones; and how many features it gives.

    Raises:
        UsageError: If it gives anything but one vector.
    """
    shape, usual = spec.observation.shape, "identity"
    if len(shape) == 3:
        shape, usual = (shape[0] * stack, *shape[1:]), "drqv2_cnn" if min(shape[1:]) >= SMALLEST else "cnn"
    encoder = build.part(selection or usual, shape)
    features = output_shape(encoder, shape)
    if len(features) != 1:
        raise UsageError(Problem(f"the encoder turns {shape} into {features}; this agent wants one vector", "encoder=drqv2_cnn for pixels"))
    return encoder, features[0]


def encode_observations(agent: Agent, batch: Batch, aug: nn.Module | None) -> Batch:
    """Transitions with `features`, and `next_features` without a graph, of observations that were augmented where there is something to.

    Features are as the encoder makes them, in bfloat16 where the run's precision says so: who reads them makes them float32.
    """
    obs, next_obs = batch.obs, batch.next_obs
    batch = with_mixture(agent, batch)
    if aug is not None:
        obs, next_obs = aug(obs, agent.generator("shift")), aug(next_obs, agent.generator("shift"))
    with torch.no_grad():
        next_features = agent.encode(next_obs, full=False)
    return batch.with_columns(features=agent.encode(obs, full=False), next_features=next_features)
