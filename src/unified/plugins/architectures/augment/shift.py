"""Random shift, the augmentation of DrQ and DrQ-v2."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn


class RandomShift(nn.Module):
    """Pads an image by repeating its border and crops it back at a random place, one place for all frames of a stack.

    The reference interpolates (`grid_sample`) at whole-pixel shifts, which is the same as copying: here one selection of bytes does it.
    Source: Yarats et al. 2021, "Mastering Visual Continuous Control", section 3.1.

    Args:
        pad: Greatest shift in pixels.
    """

    def __init__(self, pad: Annotated[int, Ge(0)] = 4) -> None:
        super().__init__()
        self.pad = pad

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` of any type to the same, shifted by -pad … pad pixels in each direction.

        Pictures in `channels_last` stay so, and are shifted in less than half the time.
        """
        if generator is None:
            return obs
        rows, channels, height, width = obs.shape
        shift = torch.randint(-self.pad, self.pad + 1, (2, rows, 1), generator=generator, device=obs.device)
        y = (torch.arange(height, device=obs.device) + shift[0]).clamp_(0, height - 1)  # (B, H)
        x = (torch.arange(width, device=obs.device) + shift[1]).clamp_(0, width - 1)  # (B, W)
        line = torch.arange(rows, device=obs.device)[:, None] * height + y
        index = (line[:, :, None] * width + x[:, None, :]).flatten()
        places = obs.permute(0, 2, 3, 1).flatten(0, 2)  # (B * H * W, C): all channels of a place move at once
        shifted = places.index_select(0, index).view(rows, height, width, channels).permute(0, 3, 1, 2)
        return shifted.contiguous() if obs.is_contiguous() else shifted
