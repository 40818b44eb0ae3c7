"""Vision transformer: torchvision's, for pictures of any size and any number of channels."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import nn
from torchvision.models import VisionTransformer

from unified.core.base.errors import Problem, UsageError
from unified.plugins.architectures.pictures import pixels

#: Patches along a side that the size of a patch is chosen for.
_ALONG = 8


class ViT(VisionTransformer):  # type: ignore[misc]  # torchvision has no types
    """Patches of a picture as tokens, a token of its own for what is seen in them. Source: Dosovitskiy et al. 2021.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers; the picture need not be square.
        patch: Height and width of a patch; null: the common divisor of both sides that is nearest to 8 patches along one.
        width: Size of a token.
        depth: Number of blocks of attention and MLP.
        heads: Heads of each attention; they divide the width.
        dropout: Dropout probability.

    Raises:
        UsageError: If patches do not divide the picture, or heads the width.
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        patch: Annotated[int, Ge(1)] | None = None,
        width: Annotated[int, Ge(1)] = 128,
        depth: Annotated[int, Ge(1)] = 4,
        heads: Annotated[int, Ge(1)] = 4,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        channels, *sides = in_shape
        divisors = [size for size in range(1, min(sides) + 1) if not any(side % size for side in sides)]
        if patch is None:
            patch = min(divisors, key=lambda size: abs(math.log(math.sqrt(math.prod(sides)) / size / _ALONG)))
        if patch not in divisors:
            fitting = ", ".join(map(str, divisors))
            raise UsageError(Problem(f"patches of {patch} do not divide a picture of {sides[0]}×{sides[1]}", f"patch={fitting}"))
        if width % heads:
            raise UsageError(Problem(f"{heads} heads do not divide a width of {width}", f"heads={math.gcd(width, heads)}"))
        super().__init__(patch, patch, depth, heads, width, 4 * width, dropout=dropout)
        tokens = 1 + math.prod(side // patch for side in sides)
        self.encoder.pos_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        self.conv_proj = nn.Conv2d(channels, width, patch, stride=patch)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (channels * patch**2)))
        nn.init.constant_(self.conv_proj.get_parameter("bias"), 0.0)
        self.heads = nn.Identity()

    def _process_input(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to tokens ``(B, T, width)``; torchvision's own takes squares only."""
        tokens: torch.Tensor = self.conv_proj(pixels(x, self.conv_proj))
        return tokens.flatten(2).transpose(1, 2)
