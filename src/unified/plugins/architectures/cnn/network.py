"""Convolutional encoders."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import Shape
from unified.plugins.architectures.pictures import Convolutions, flatten, pixels

Norm = Literal["none", "batch", "group", "layer"]


class CNN(nn.Module):
    """Convolutions with ReLU, of a picture of any size: each may shrink it, but never below 1×1.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers.
        channels: Channels of the first convolution.
        depth: Number of convolutions.
        kernel: Height and width of each convolution.
        stride: Factor by which each convolution shrinks the picture, never below 1×1.
        growth: Factor by which the channels grow where the picture shrinks.
        norm: Normalisation between a convolution and its ReLU.
        pool: Pooling after each convolution instead of a stride: the maximum or the mean of each patch.
        flat: Return one vector (true) or the feature map (false); null: a vector, unless the next part of a list takes a map.
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        channels: Annotated[int, Ge(1)] = 32,
        depth: Annotated[int, Ge(1)] = 3,
        kernel: Annotated[int, Ge(1)] = 3,
        stride: Annotated[int, Ge(1)] = 2,
        growth: Annotated[int, Ge(1)] = 2,
        norm: Norm = "none",
        pool: Literal["none", "max", "mean"] = "none",
        flat: bool | None = None,
    ) -> None:
        super().__init__()
        self.flat = flat is None or flat
        before, *sides = in_shape
        side = max(sides)
        layers: list[nn.Module] = []
        for _ in range(depth):
            by = stride if side > 1 else 1
            layers += [
                nn.Conv2d(before, channels, kernel, by if pool == "none" else 1, padding=kernel // 2, bias=norm == "none"),
                *_normalisation(norm, channels),
                nn.ReLU(inplace=True),
            ]
            if by > 1 and pool != "none":
                layers.append((nn.MaxPool2d if pool == "max" else nn.AvgPool2d)(by, ceil_mode=True))
            side = -(-side // by)
            before, channels = channels, channels * (growth if side > 1 and by > 1 else 1)
        self.convolutions = Convolutions(*layers).apply(orthogonal).to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, D)``, or to ``(B, C', H', W')`` where it is not flat."""
        features: torch.Tensor = self.convolutions(pixels(obs, self.convolutions))
        return flatten(features) if self.flat else features


class CNN1d(nn.Module):
    """Convolutions with ReLU along signals of any length: each may shorten them, but never below one place.

    Args:
        in_shape: ``(D,)``, the signals one after the other, of equal length; or ``(signals, L)``.
        signals: Number of signals in a vector.
        channels: Channels of the first convolution; twice as many after each that shortens the signals.
        depth: Number of convolutions.
        kernel: Length of each convolution.
        stride: Factor by which each convolution shortens the signals.

    Raises:
        UsageError: If the numbers of a vector cannot be divided among the signals, or if these are pictures.
    """

    def __init__(
        self,
        in_shape: Shape,
        signals: Annotated[int, Ge(1)] = 1,
        channels: Annotated[int, Ge(1)] = 32,
        depth: Annotated[int, Ge(1)] = 3,
        kernel: Annotated[int, Ge(1)] = 9,
        stride: Annotated[int, Ge(1)] = 4,
    ) -> None:
        super().__init__()
        self.signals = signals if len(in_shape) == 1 else in_shape[0]
        length, rest = divmod(math.prod(in_shape), self.signals)
        if len(in_shape) > 2 or rest or not length:
            what = f"cnn1d takes {self.signals} signals of equal length, and not {tuple(in_shape)}"
            raise UsageError(Problem(what, "signals= a divisor of the numbers   pictures: encoder=cnn"))
        before, layers = self.signals, []
        for _ in range(depth):
            by = min(stride, length)
            layers += [nn.Conv1d(before, channels, kernel, by, padding=kernel // 2), nn.ReLU(inplace=True)]
            length = (length + 2 * (kernel // 2) - kernel) // by + 1
            before, channels = channels, channels * (2 if by > 1 else 1)
        self.convolutions = nn.Sequential(*layers).apply(orthogonal)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, D)`` or ``(B, signals, L)`` to ``(B, features)``."""
        features: torch.Tensor = self.convolutions(obs.reshape(len(obs), self.signals, -1))
        return features.flatten(1)


class NatureCNN(nn.Module):
    """The encoder of DQN: three convolutions and a linear layer, for pictures of 84×84. Source: Mnih et al. 2015, "Methods".

    Args:
        in_shape: ``(C, H, W)`` of the stacked frames, bytes or numbers, at least 36×36.
        features: Number of features.
        norm: Normalisation between each layer and its ReLU; ``layer`` is over all channels and places (Gallici et al. 2024, PQN).

    Raises:
        UsageError: If the picture is smaller.
    """

    def __init__(
        self, in_shape: tuple[int, int, int], features: Annotated[int, Ge(1)] = 512, norm: Literal["none", "layer"] = "none"
    ) -> None:
        super().__init__()
        channels, height, width = in_shape
        if min(height, width) < 36:
            raise UsageError(Problem(f"nature_cnn needs pictures of at least 36×36, and these are {height}×{width}", "encoder=cnn"))
        self.convolutions = Convolutions(
            *(nn.Conv2d(channels, 32, 8, stride=4), *_normalisation(norm, 32), nn.ReLU(inplace=True)),
            *(nn.Conv2d(32, 64, 4, stride=2), *_normalisation(norm, 64), nn.ReLU(inplace=True)),
            *(nn.Conv2d(64, 64, 3, stride=1), *_normalisation(norm, 64), nn.ReLU(inplace=True)),
        )
        places = [((side - 8) // 4 + 1 - 4) // 2 + 1 - 2 for side in (height, width)]
        self.linear = nn.Linear(64 * places[0] * places[1], features)
        self.norm = nn.LayerNorm(features) if norm == "layer" else nn.Identity()
        self.apply(orthogonal).to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, features)``."""
        features = self.convolutions(pixels(obs, self.convolutions))
        return torch.relu_(self.norm(self.linear(flatten(features))))


class ImpalaCNN(nn.Module):
    """Three stages of a convolution, a pooling that halves the picture, and two residual blocks.

    Source: Espeholt et al. 2018 (IMPALA), figure 3.

    Args:
        in_shape: ``(C, H, W)`` of the stacked frames, bytes or numbers.
        width: Factor on the channels, which are 16, 32 and 32; 4 in BBF.
        flat: Return one vector (true) or the feature map (false); null: a vector, unless the next part of a list takes a map.
    """

    def __init__(self, in_shape: tuple[int, int, int], width: Annotated[int, Ge(1)] = 1, flat: bool | None = None) -> None:
        super().__init__()
        self.flat = flat is None or flat
        before, layers = in_shape[0], []
        for channels in (16 * width, 32 * width, 32 * width):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.MaxPool2d(3, 2, padding=1), Residual(channels), Residual(channels)]
            before = channels
        self.convolutions = Convolutions(*layers, nn.ReLU()).apply(orthogonal).to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, D)``, or to ``(B, C', H', W')`` where it is not flat."""
        features: torch.Tensor = self.convolutions(pixels(obs, self.convolutions))
        return flatten(features) if self.flat else features


class Residual(nn.Sequential):
    """x + conv(relu(conv(relu(x)))), 3×3."""

    def __init__(self, channels: int) -> None:
        layers = [(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2)]
        super().__init__(*(layer for pair in layers for layer in pair))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = super().forward(features)  # type: ignore[no-untyped-call]
        return features + changed


class DrQV2CNN(nn.Module):
    """The encoder of DrQ-v2: four 3×3 convolutions, the first with stride 2. Source: Yarats et al. 2021, appendix B.

    Args:
        in_shape: ``(C, H, W)`` of the stacked frames, bytes or numbers in [0, 1].
        channels: Channels of each convolution.

    The features are flattened as they lie in memory, ``(H, W, C)``: for `channels_last` convolutions this costs nothing.
    """

    def __init__(self, in_shape: tuple[int, int, int], channels: Annotated[int, Ge(1)] = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(4):
            layers += [
                nn.Conv2d(in_shape[0] if index == 0 else channels, channels, 3, stride=2 if index == 0 else 1),
                nn.ReLU(inplace=True),
            ]
        self.convolutions = Convolutions(*layers).apply(orthogonal).to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to features ``(B, D)``."""
        numbers = pixels(obs, self.convolutions)
        # Only what was made here may be written over.
        return flatten(self.convolutions(numbers.sub_(0.5) if obs.dtype == torch.uint8 else numbers - 0.5))


def _normalisation(norm: Norm, channels: int) -> tuple[nn.Module, ...]:
    if norm == "batch":
        return (nn.BatchNorm2d(channels),)
    if norm == "group":
        return (group_norm(channels),)
    return (nn.GroupNorm(1, channels),) if norm == "layer" else ()


def group_norm(channels: int, most: int = 8) -> nn.GroupNorm:
    """Group normalisation with as many groups as divide the channels, `most` at most. Source: Wu & He 2018."""
    return nn.GroupNorm(next(groups for groups in range(min(most, channels), 0, -1) if channels % groups == 0), channels)


def orthogonal(module: nn.Module) -> None:
    """Orthogonal weights and zero biases; a gain of √2 for convolutions, which a ReLU follows, and of 1 for linear layers."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        gain = 1.0 if isinstance(module, nn.Linear) else nn.init.calculate_gain("relu")
        nn.init.orthogonal_(module.weight, gain)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
