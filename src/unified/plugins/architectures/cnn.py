"""Convolutional encoders."""

from __future__ import annotations

import torch
from torch import nn


class DrQV2CNN(nn.Module):
    """The encoder of DrQ-v2: four 3×3 convolutions, the first with stride 2. Source: Yarats et al. 2021, appendix B.

    Args:
        in_shape: ``(C, H, W)`` of the stacked frames, bytes.
        channels: Of each convolution.

    The features are flattened as they lie in memory, ``(H, W, C)``: for `channels_last` convolutions this costs nothing.
    """

    def __init__(self, in_shape: tuple[int, int, int], channels: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(4):
            layers += [
                nn.Conv2d(in_shape[0] if index == 0 else channels, channels, 3, stride=2 if index == 0 else 1),
                nn.ReLU(inplace=True),
            ]
        self.convolutions = nn.Sequential(*layers).apply(orthogonal).to(memory_format=torch.channels_last)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Bytes ``(B, C, H, W)`` to features ``(B, D)``."""
        dtype = self.convolutions[0].weight.dtype
        if not obs.is_meta and torch.is_autocast_enabled(obs.device.type):
            dtype = torch.get_autocast_dtype(obs.device.type)
        # Bytes are laid out first and cast second: a quarter of the memory moves.
        pixels = obs.contiguous(memory_format=torch.channels_last).to(dtype).div_(255.0).sub_(0.5)
        return self.convolutions(pixels).permute(0, 2, 3, 1).flatten(1)


def orthogonal(module: nn.Module) -> None:
    """Orthogonal weights and zero biases; a gain of √2 for convolutions, which a ReLU follows, and of 1 for linear layers."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        gain = nn.init.calculate_gain("relu") if isinstance(module, nn.Conv2d) else 1.0
        nn.init.orthogonal_(module.weight, gain)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
