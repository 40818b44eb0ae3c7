"""Any other transform of torchvision (v2), as an augmentation of batches."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torchvision.transforms import v2

from unified.core.base import suggest
from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import Shape
from unified.plugins.architectures.augment.augment import Apart


class V2(Apart):
    """A transform of `torchvision.transforms.v2` by its name, drawn for each picture of a batch.

    What has a name of its own here, `random_crop` and others, is 10 to 30 times as fast.

    Args:
        in_shape: Of a picture.
        transform: Name of a transform in torchvision.transforms.v2: RandomPerspective, or random_perspective.
        arguments: Arguments of the transform: {degrees: 15}.
        share: Number of pictures of a batch that share their draws: more is faster, and less various.

    Raises:
        UsageError: If there is no such transform, it cannot be made with these arguments, cannot take such pictures or changes their shape.
    """

    def __init__(
        self,
        in_shape: Shape,
        transform: str = "random_rotation",
        arguments: dict[str, Any] | None = None,
        share: Annotated[int, Ge(1)] = 1,
    ) -> None:
        kind = _transform(transform)
        arguments = dict({"degrees": 15.0} if arguments is None and kind is v2.RandomRotation else arguments or {})
        try:
            made = kind(**arguments)
        except Exception as error:
            wanted = ", ".join(map(str, inspect.signature(kind).parameters.values()))
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(Problem(f"{kind.__name__} cannot be made with {arguments}: {reason}", f"it takes {wanted}")) from error
        super().__init__(made, share)
        self._try(kind.__name__, in_shape)

    def _try(self, name: str, in_shape: Shape) -> None:
        picture = torch.zeros(1, *in_shape, dtype=torch.uint8)
        try:
            found = tuple(super().forward(picture, torch.Generator().manual_seed(0)).shape[1:])
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(Problem(f"{name} cannot take {in_shape}: {reason}")) from error
        if found != in_shape:
            hint = f"arguments={{size: [{', '.join(map(str, in_shape[-2:]))}]}}"
            raise UsageError(Problem(f"{name} turns {in_shape} into {found}, and an augmentation keeps the shape", hint))


def _transform(name: str) -> type[v2.Transform]:
    """The transform of this name, however it is written."""
    kinds = {
        key.lower(): kind
        for key, kind in vars(v2).items()
        if isinstance(kind, type) and issubclass(kind, v2.Transform) and kind is not v2.Transform
    }
    found = kinds.get(name.replace("_", "").lower())
    if found is None:
        hint = suggest.did_you_mean(name, [kind.__name__ for kind in kinds.values()])
        raise UsageError(Problem(f"torchvision.transforms.v2 has no transform {name!r}", hint or "transform=RandomRotation"))
    return found
