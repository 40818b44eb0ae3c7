"""The encoder of an agent, with the rules for stacking and augmenting what the task shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import output_shape

if TYPE_CHECKING:
    from unified.core.base.spec import Spec
    from unified.core.learn.builder import Builder


class Sight:
    """How an agent sees a task: which encoder, how many frames in one observation, which features.

    | task | frames | encoder by default |
    |---|---|---|
    | pixels of a control task | `stack` | `pixels`, or ``cnn`` where a side is shorter than `smallest` |
    | a picture with a label | 1 | ``cnn`` |
    | vectors | 1 | ``identity`` |

    Args:
        build: The agent's.
        spec: Of the task.
        encoder: The selected architecture; ``None`` for the default.
        stack: Frames in one observation of pixels.
        pixels: Default architecture for pixels.
        smallest: Least height and width that `pixels` takes.
        maps: Whether the encoder may return a feature map; the agent flattens it then.

    Attributes:
        pixels: Whether the task is control from pixels, so that observations are stacked and may be shifted at random.
        stack: Frames in one observation, 1 without pixels.
        shape: Of an observation, with its frames stacked.
        encoder: The module, on the agent's device.
        features: Numbers it returns for an observation, F.

    Raises:
        UsageError: If the encoder returns anything but one vector and `maps` is false.
    """

    def __init__(
        self,
        build: Builder,
        spec: Spec,
        encoder: Any = None,
        *,
        stack: int = 1,
        pixels: str = "drqv2_cnn",
        smallest: int = 15,
        maps: bool = False,
    ) -> None:
        shape, default = spec.observation.shape, "identity"
        self.pixels = spec.task_type == "control" and len(shape) == 3
        self.stack = stack if self.pixels else 1
        if len(shape) == 3:
            shape, default = (shape[0] * self.stack, *shape[1:]), pixels if self.pixels and min(shape[1:]) >= smallest else "cnn"
        self.shape = shape
        self.encoder: nn.Module = build.part(encoder or default, shape)
        features = output_shape(self.encoder, shape)
        if len(features) != 1 and not maps:
            raise UsageError(
                Problem(f"the encoder turns {shape} into {features}; this agent wants one vector", "encoder=drqv2_cnn for pixels")
            )
        self.features = math.prod(features)
