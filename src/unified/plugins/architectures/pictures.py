"""What networks of pictures share: how bytes become numbers, and in which layout."""

from __future__ import annotations

import torch
from torch import nn


def pixels(obs: torch.Tensor, network: nn.Module) -> torch.Tensor:
    """Pictures as the first layer takes them: bytes become numbers in [0, 1], what comes as numbers stays.

    Args:
        obs: ``(B, C, H, W)``, or anything else, whose layout stays.
        network: That takes them. The type of its parameters is what bytes become, or under autocast the type that it computes in.

    Returns:
        Pictures in `channels_last`, which convolutions are fast in.
    """
    if obs.dim() == 4:
        # Bytes are laid out first and cast second: a quarter of the memory moves.
        obs = obs.contiguous(memory_format=torch.channels_last)
    if obs.dtype != torch.uint8:
        return obs
    dtype = next(network.parameters()).dtype
    if not obs.is_meta and torch.is_autocast_enabled(obs.device.type):
        dtype = torch.get_autocast_dtype(obs.device.type)
    return obs.to(dtype).div_(255.0)


def flatten(features: torch.Tensor) -> torch.Tensor:
    """``(B, C, H, W)`` to ``(B, H * W * C)``, as `channels_last` features lie in memory: nothing is copied."""
    return features.permute(0, 2, 3, 1).flatten(1)
