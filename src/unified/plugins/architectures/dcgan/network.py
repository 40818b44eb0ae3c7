"""The generator and the discriminator of DCGAN, for pictures of any size. Source: Radford, Metz & Chintala 2016."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import Shape
from unified.plugins.architectures.pictures import flatten, pixels


def doublings(height: int, width: int) -> int:
    """How often a picture of about 4×4 is doubled to reach this size: 4 times for 64×64, as in the paper; at least once.

    >>> doublings(64, 64), doublings(28, 28), doublings(8, 8)
    (4, 2, 1)
    """
    return max(1, math.floor(math.log2(min(height, width) / 4)))


class DCGANGenerator(nn.Module):
    """Numbers, noise for the most part, to a picture within [-1, 1]: transposed convolutions, batch normalisation, ReLU, tanh at the end.

    Args:
        in_features: Numbers that come in.
        out_shape: ``(C, H, W)``.
        channels: Channels before the last convolution; each one before it has twice as many.

    Raises:
        UsageError: If something other than a picture has to come out.
    """

    def __init__(self, in_features: int, out_shape: Shape, channels: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__()
        if len(out_shape) != 3:
            raise UsageError(Problem(f"dcgan_generator makes pictures (C, H, W), and {out_shape} is wanted here", "a picture, or mlp"))
        colours, *self.sides = out_shape
        times = doublings(*self.sides)
        start = [-(-side // 2**times) for side in self.sides]
        sizes = [channels * 2**index for index in reversed(range(times))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(in_features, sizes[0], (start[0], start[1]), bias=False)]
        for index, size in enumerate(sizes):
            last = index == times - 1
            after = colours if last else sizes[index + 1]
            layers += [
                *(nn.BatchNorm2d(size), nn.ReLU(inplace=True)),
                nn.ConvTranspose2d(size, after, 4, stride=2, padding=1, bias=last),
            ]
        self.layers = nn.Sequential(*layers, nn.Tanh()).apply(small_normal).to(memory_format=torch.channels_last)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(B, D)`` to ``(B, C, H, W)``."""
        pictures: torch.Tensor = self.layers(inputs.flatten(1)[:, :, None, None])
        # 28 is no power of two times 4, nor is 84: what is too much goes, evenly on both sides.
        top, left = ((have - want) // 2 for have, want in zip(pictures.shape[2:], self.sides, strict=True))
        return pictures[:, :, top : top + self.sides[0], left : left + self.sides[1]]


class DCGANDiscriminator(nn.Module):
    """A picture to features, or to an answer: convolutions that halve it, batch normalisation but at the start, leaky ReLU.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers.
        out_features: Numbers that go out; ``None`` ends with the features (a body).
        channels: Channels of the first convolution; each one after it has twice as many.
        norm: Normalisation. R1 and R2 take a gradient for each row and need one that mixes no rows: spectral (Miyato et al. 2018) or
            none.
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        out_features: int | None = None,
        channels: Annotated[int, Ge(1)] = 64,
        norm: Literal["batch", "spectral", "none"] = "batch",
    ) -> None:
        super().__init__()
        before, *sides = in_shape
        layers: list[nn.Module] = []
        for index in range(doublings(*sides)):
            normalised = norm == "batch" and index > 0
            layers.append(nn.Conv2d(before, channels, 4, stride=2, padding=1, bias=not normalised))
            layers += [*([nn.BatchNorm2d(channels)] if normalised else []), nn.LeakyReLU(0.2, inplace=True)]
            before, channels = channels, 2 * channels
            sides = [max(1, side // 2) for side in sides]
        self.layers = nn.Sequential(*layers)
        self.answer = nn.Identity() if out_features is None else nn.Linear(before * math.prod(sides), out_features)
        self.apply(small_normal).to(memory_format=torch.channels_last)
        if norm == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.utils.parametrizations.spectral_norm(module)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, out_features)``, or to features ``(B, D)``."""
        answer: torch.Tensor = self.answer(flatten(self.layers(pixels(obs, self.layers))))
        return answer


def small_normal(module: nn.Module) -> None:
    """Weights of N(0, 0.02), those of a normalisation of N(1, 0.02); zero biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
