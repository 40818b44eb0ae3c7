"""The encoder of an agent, with the rules for stacking what the task shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.base.spec import ACTION_MASK, Space
from unified.core.learn.networks import output_shape
from unified.plugins.architectures.pictures import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from unified.core.base.spec import Spec
    from unified.core.learn.builder import Builder


#: Least height and width that drqv2_cnn leaves something of.
SMALLEST = 15


def action_mask(spec: Spec, observation: Any) -> torch.Tensor | None:
    """The valid choices of observations ``(B, A)`` bool, of stacked ones those of the newest; ``None`` where the task shows none."""
    if not spec.masks_actions:
        return None
    assert spec.action.n is not None
    return torch.as_tensor(observation[ACTION_MASK][..., -spec.action.n :] > 0)


def with_mask(spec: Spec, features: torch.Tensor, observation: Any) -> torch.Tensor:
    """Features ``(B, F)``, and behind them the valid choices ``(B, A)`` where the task shows them: `MaskedActor` reads these."""
    mask = action_mask(spec, observation)
    return features if mask is None else torch.cat([features, mask.to(features.dtype)], -1)


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
        selection: The selected architecture; ``None`` for the default (`Sight`).
        spec: Of the task.
        stack: Observations in one.
        pictures: Default architecture for pixels of a control task.
        smallest: Least height and width of a picture that is not tiny.
        flatten: Whether features of several dimensions become one vector.

    Raises:
        UsageError: If the features of an observation are not one vector.
    """

    def encoder_of(space: Space, selected: Any) -> tuple[nn.Module, int]:
        large = space.is_picture and spec.task_type == "control" and min(space.shape[1:]) >= smallest
        usual = "identity" if not space.is_picture else pictures if large else "cnn"
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
    seen = {name: space for name, space in spec.observation.items() if name != ACTION_MASK or not spec.masks_actions}
    made = {name: encoder_of(space, selection if space.is_picture or not mixed else "identity") for name, space in seen.items()}
    return NamedEncoder({name: encoder for name, (encoder, _) in made.items()}), sum(features for _, features in made.values())


class Sight:
    """How an agent sees a task: which encoder, how many frames in one observation, which features.

    | task | frames | encoder by default |
    |---|---|---|
    | pixels of a control task | `stack` | `pictures`, or ``cnn`` where a side is shorter than `smallest` |
    | a picture with a label | 1 | ``cnn`` |
    | vectors | 1 | ``identity`` |

    Of named observations each has an encoder of its own, and their features are joined.

    Args:
        build: The agent's.
        spec: Of the task.
        encoder: The selected architecture; ``None`` for the default.
        stack: Frames in one observation of pixels.
        pictures: Default architecture for pixels.
        smallest: Least height and width that `pictures` takes.
        flatten: Whether features of several dimensions become one vector; without it they are refused.

    Attributes:
        pixels: Whether the task is control from pixels, so that observations are stacked and may be shifted at random.
        stack: Frames in one observation, 1 without pixels.
        encoder: The module, on the agent's device.
        features: Numbers it returns for an observation, F.
        layout: Layout of pictures that it is fast in.

    Raises:
        UsageError: If the encoder returns anything but one vector.
    """

    def __init__(
        self,
        build: Builder,
        spec: Spec,
        encoder: Any = None,
        *,
        stack: int = 1,
        pictures: str = "drqv2_cnn",
        smallest: int = SMALLEST,
        flatten: bool = False,
    ) -> None:
        self.pixels = shows_pixels(spec)
        self.stack = stack if self.pixels else 1
        self.encoder, self.features = make_encoder(build, encoder, spec, self.stack, pictures, smallest, flatten)
        self.layout = layout_of(self.encoder)

    def laid_out(self, observation: Any) -> Any:
        """The observation, or a mapping of named ones, with pictures in `layout`: once for all networks that read it."""
        if not isinstance(observation, torch.Tensor):
            return {name: self.laid_out(each) for name, each in observation.items()}
        return observation.contiguous(memory_format=self.layout) if observation.dim() == 4 else observation


def augment(observation: Any, aug: nn.Module, generator: Callable[[], torch.Generator]) -> Any:
    """The observation with its pictures augmented, each by a draw of its own; named vectors stay as they are.

    Args:
        observation: ``(B, *observation)``, or a mapping of named ones.
        aug: Called with pictures and a generator.
        generator: Makes the generator of the next draw.
    """
    if isinstance(observation, torch.Tensor):
        return aug(observation, generator())
    return {name: aug(each, generator()) if each.dim() == 4 else each for name, each in observation.items()}
