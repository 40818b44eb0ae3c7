"""The encoder of an agent: one vector of features, from pixels or from a vector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import Space
from unified.core.learn.networks import output_shape
from unified.plugins.architectures.critics import with_mixture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unified.core.base.spec import Spec
    from unified.core.learn.agent import Agent
    from unified.core.learn.builder import Builder
    from unified.core.replay.batch import Batch


#: Least height and width that drqv2_cnn leaves something of.
SMALLEST = 15


def shows_pixels(spec: Spec) -> bool:
    """Whether a control task has pictures: these are stacked, and shifted at random; a picture with a label stands alone."""
    return spec.task_type == "control" and any(space.is_picture for space in spec.spaces.values())


class NamedEncoder(nn.Module):
    """Named observations to one vector: each through an encoder of its own, their features concatenated in the order of the spec.

    Args:
        encoders: By the name of the observation.
    """

    def __init__(self, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(encoders)
        self.encoders = nn.ModuleList(encoders.values())  # names may have dots, which a ModuleDict refuses

    def forward(self, observation: Mapping[str, torch.Tensor]) -> torch.Tensor:
        features = [encoder(observation[name]) for name, encoder in zip(self.names, self.encoders, strict=True)]
        return torch.cat([each.to(features[0].dtype) for each in features], dim=-1)


def make_encoder(
    build: Builder, selection: Any, spec: Spec, stack: int, pictures: str = "drqv2_cnn", smallest: int = SMALLEST, flatten: bool = False
) -> tuple[nn.Module, int]:
    """The encoder of a task's observations and the number of its features.

    If observations have names and one is a picture, the selection is for the pictures, and vectors stay as they are.

    Args:
        build: The agent's.
        selection: The selected architecture; ``None`` for `pictures`, for cnn if a picture is tiny, and for identity of vectors.
        spec: Of the task.
        stack: Observations in one.
        pictures: The default of pictures.
        smallest: Least height and width of a picture that is not tiny.
        flatten: Whether features of several dimensions become one vector.

    Raises:
        UsageError: If the features of an observation are not one vector.
    """

    def encoder_of(space: Space, selected: Any) -> tuple[nn.Module, int]:
        usual = "identity" if not space.is_picture else pictures if min(space.shape[1:]) >= smallest else "cnn"
        shape = (space.shape[0] * stack, *space.shape[1:]) if stack > 1 else space.shape
        encoder = build.part(selected or usual, shape)
        features = output_shape(encoder, shape)
        if len(features) != 1 and flatten:
            return nn.Sequential(encoder, nn.Flatten()), math.prod(features)
        if len(features) != 1:
            hint = "encoder=drqv2_cnn for pixels"
            raise UsageError(Problem(f"the encoder turns {shape} into {features}; this agent wants one vector", hint))
        return encoder, features[0]

    if isinstance(spec.observation, Space):
        return encoder_of(spec.observation, selection)
    mixed = shows_pixels(spec)
    made = {name: encoder_of(space, selection if space.is_picture or not mixed else "identity") for name, space in spec.observation.items()}
    return NamedEncoder({name: encoder for name, (encoder, _) in made.items()}), sum(features for _, features in made.values())


def encode_observations(agent: Agent, batch: Batch, aug: nn.Module | None) -> Batch:
    """Transitions with `features`, and with `next_features` without a graph, of observations whose pictures are augmented by `aug`.

    Features have the encoder's precision, bfloat16 if the run's is; their readers convert them to float32.
    """
    obs, next_obs = batch.obs, batch.next_obs
    batch = with_mixture(agent, batch)
    if aug is not None:
        obs, next_obs = _augmented(obs, aug, agent), _augmented(next_obs, aug, agent)
    with torch.no_grad():
        next_features = agent.encode(next_obs, full=False)
    return batch.with_columns(features=agent.encode(obs, full=False), next_features=next_features)


def _augmented(observation: Any, aug: nn.Module, agent: Agent) -> Any:
    """The observation with its pictures augmented; named vectors stay as they are."""
    if isinstance(observation, torch.Tensor):
        return aug(observation, agent.generator("shift"))
    return {name: aug(each, agent.generator("shift")) if each.dim() == 4 else each for name, each in observation.items()}
