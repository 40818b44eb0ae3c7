"""A small U-Net: pictures to pictures at a time, for flow matching and diffusion."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn
from torch.nn import functional as F

from unified.plugins.architectures.cnn.network import group_norm
from unified.plugins.architectures.pictures import pixels
from unified.plugins.architectures.transformer.network import Block


class UNet(nn.Module):
    """Convolutions that halve a picture and double it again, with shortcuts between equal sizes and attention at the smallest.

    Time, and a condition where there is one, scale and shift the channels within each block. Sources: Ronneberger et al. 2015; Ho et al.
    2020, appendix B; Dhariwal & Nichol 2021, section 3.

    Args:
        in_shape: ``(C, H, W)`` of what comes in and of what goes out.
        channels: Channels at full size; they double where the picture is halved.
        depth: Number of halvings of the picture, never below 1×1.
        blocks: Residual blocks at each size, on the way down and on the way up.
        heads: Heads of the attention at the smallest size; 0 for no attention.
        condition_dim: Size of the condition, 0 for none.
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        channels: Annotated[int, Ge(2)] = 32,
        depth: Annotated[int, Ge(0)] = 2,
        blocks: Annotated[int, Ge(1)] = 1,
        heads: Annotated[int, Ge(0)] = 4,
        condition_dim: int = 0,
    ) -> None:
        super().__init__()
        depth = min(depth, math.floor(math.log2(max(in_shape[1:]))))
        sizes = [channels * 2**level for level in range(depth + 1)]
        context = 4 * channels
        self.embed_time = nn.Sequential(_Waves(channels), nn.Linear(2 * (channels // 2), context), nn.SiLU(), nn.Linear(context, context))
        self.embed_condition = nn.Linear(condition_dim, context) if condition_dim else None
        self.enter = nn.Conv2d(in_shape[0], channels, 3, padding=1)

        def residuals(before: int, after: int) -> nn.ModuleList:
            return nn.ModuleList(_Residual(before if index == 0 else after, after, context) for index in range(blocks))

        self.down = nn.ModuleList(residuals(sizes[max(level - 1, 0)], sizes[level]) for level in range(depth))
        self.halve = nn.ModuleList(nn.Conv2d(sizes[level], sizes[level], 3, stride=2, padding=1) for level in range(depth))
        self.middle = residuals(sizes[max(depth - 1, 0)], sizes[-1])
        self.attend = Block(sizes[-1], math.gcd(heads, sizes[-1])) if heads else None
        self.narrow = nn.ModuleList(nn.Conv2d(sizes[level + 1], sizes[level], 3, padding=1) for level in range(depth))
        self.up = nn.ModuleList(residuals(2 * sizes[level], sizes[level]) for level in range(depth))
        last = nn.Conv2d(channels, in_shape[0], 3, padding=1)
        nn.init.orthogonal_(last.weight, gain=0.1)  # it begins near 0, with a gradient for everything
        self.leave = nn.Sequential(group_norm(channels), nn.SiLU(), last)
        self.to(memory_format=torch.channels_last)

    def forward(self, inputs: torch.Tensor, time: torch.Tensor | None = None, condition: torch.Tensor | None = None) -> torch.Tensor:
        """A picture for a picture.

        Args:
            inputs: ``(B, C, H, W)``.
            time: ``(B,)`` within [0, 1]; 0 where it is not given.
            condition: ``(B, condition_dim)``; without it the picture is free (what guidance without a classifier needs).

        Returns:
            ``(B, C, H, W)``.
        """
        context = self.embed_time(inputs.new_zeros(len(inputs), dtype=self.enter.weight.dtype) if time is None else time)
        if self.embed_condition is not None and condition is not None:
            context = context + self.embed_condition(condition)
        features = self.enter(pixels(inputs, self.enter))
        kept: list[torch.Tensor] = []
        for residuals, halve in zip(self.down, self.halve, strict=True):
            features = _through(residuals, features, context)
            kept.append(features)
            features = halve(features)
        features = _through(self.middle, features, context)
        if self.attend is not None:
            tokens = self.attend(features.flatten(2).transpose(1, 2))
            features = tokens.transpose(1, 2).unflatten(2, features.shape[2:]).contiguous(memory_format=torch.channels_last)
        for residuals, narrow, beside in zip(reversed(self.up), reversed(self.narrow), reversed(kept), strict=True):
            # To the size of what was kept: an odd side is not twice its half.
            features = narrow(F.interpolate(features, size=beside.shape[2:], mode="nearest"))
            features = _through(residuals, torch.cat([features, beside], dim=1), context)
        out: torch.Tensor = self.leave(features)
        return out


class _Waves(nn.Module):
    """Time ``(B,)`` as sines and cosines ``(B, 2 * (size // 2))`` of frequencies from 1 to 1000."""

    frequencies: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 1000.0 ** torch.linspace(0, 1, size // 2), persistent=False)

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        angles = time[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut; between them the context scales and shifts the channels."""

    def __init__(self, before: int, after: int, context: int) -> None:
        super().__init__()
        self.first = nn.Sequential(group_norm(before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        self.norm = group_norm(after)
        self.scale_shift = nn.Sequential(nn.SiLU(), nn.Linear(context, 2 * after))
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        scale, shift = self.scale_shift(context)[:, :, None, None].chunk(2, dim=1)
        hidden_dim = self.norm(self.first(inputs)) * (1 + scale) + shift
        out: torch.Tensor = self.shortcut(inputs) + self.second(F.silu(hidden_dim))
        return out


def _through(residuals: nn.Module, features: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    for residual in residuals.children():
        features = residual(features, context)
    return features
