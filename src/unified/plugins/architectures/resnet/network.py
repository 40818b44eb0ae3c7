"""Residual networks: torchvision's, for pictures of any size and any number of channels. Source: He et al. 2016."""

from __future__ import annotations

from typing import Annotated

import torch
import torchvision
from annotated_types import Ge, Le
from torch import nn

from unified.plugins.architectures.pictures import pixels

#: Pictures with a smaller side get a first layer that does not shrink them: 7×7 with stride 2 and a pool are made for 224×224.
SMALL = 64


class ResNet(nn.Module):
    """A residual network without its last linear layer. Small pictures get a 3×3 stem without a pool, as for CIFAR-10 in the paper.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers.
        layers: 18 or 50.
        depth: Stages of blocks, 1 to 4; each after the first halves the picture and doubles the channels.
        flat: Whether one vector comes out, the mean over all places, or the feature map; ``None`` leaves it to what follows.
    """

    def __init__(self, in_shape: tuple[int, int, int], layers: int = 18, depth: int = 4, flat: bool | None = None) -> None:
        super().__init__()
        channels, *sides = in_shape
        network = {18: torchvision.models.resnet18, 50: torchvision.models.resnet50}[layers](weights=None)
        small = min(sides) < SMALL
        if small or channels != 3:
            network.conv1 = nn.Conv2d(channels, 64, 3 if small else 7, stride=1 if small else 2, padding=1 if small else 3, bias=False)
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, *([] if small else [network.maxpool]))
        self.stages = nn.Sequential(*[getattr(network, f"layer{index + 1}") for index in range(depth)])
        self.flat = flat is None or flat
        self.to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, D)``, or to ``(B, D, H', W')`` where it is not flat."""
        features: torch.Tensor = self.stages(self.stem(pixels(obs, self.stem)))
        return features.mean((2, 3)) if self.flat else features


def resnet18(in_shape: tuple[int, int, int], depth: Annotated[int, Ge(1), Le(4)] = 4, flat: bool | None = None) -> ResNet:
    """18 layers: two convolutions in each block.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers.
        depth: Stages of residual blocks, 1 to 4; each after the first halves the picture and doubles the channels.
        flat: Return one vector, the mean over all places (true), or the feature map (false); null: a vector, unless the next part of a
            list takes a map.
    """
    return ResNet(in_shape, layers=18, depth=depth, flat=flat)


def resnet50(in_shape: tuple[int, int, int], depth: Annotated[int, Ge(1), Le(4)] = 4, flat: bool | None = None) -> ResNet:
    """50 layers: three convolutions in each block, the middle one with a quarter of the channels.

    Args:
        in_shape: ``(C, H, W)``, bytes or numbers.
        depth: Stages of residual blocks, 1 to 4; each after the first halves the picture and doubles the channels.
        flat: Return one vector, the mean over all places (true), or the feature map (false); null: a vector, unless the next part of a
            list takes a map.
    """
    return ResNet(in_shape, layers=50, depth=depth, flat=flat)
