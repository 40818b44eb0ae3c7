"""Augmentations of brightness and colour, and normalisation."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from unified.core.base.errors import Problem, UsageError


class Intensity(nn.Module):
    """Multiplies a picture by 1 + scale · z, z normal within -2 … 2. Source: Laskin et al. 2020; Schwarzer et al. 2021 (SPR), appendix.

    Args:
        scale: Standard deviation of the factor.
    """

    def __init__(self, scale: Annotated[float, Ge(0)] = 0.05) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` bytes or numbers to numbers, which are in [0, 1] before they are multiplied; not limited after."""
        if generator is None:
            return obs
        draws = torch.randn(len(obs), *[1] * (obs.dim() - 1), generator=generator, device=obs.device)
        factors = draws.clamp_(-2.0, 2.0).mul_(self.scale).add_(1.0)
        if obs.dtype == torch.uint8:
            return obs.to(torch.float32).mul_(factors / 255.0)
        return obs * factors


class ColorJitter(nn.Module):
    """Changes brightness, contrast and saturation, in this order, each by a random factor in [1 - strength, 1 + strength].

    What is done with a factor is torchvision's arithmetic; there the order is random. Saturation needs three channels, others keep theirs.

    Args:
        brightness: Strength of the change of brightness: factors lie within 1 ± this; 0 for none.
        contrast: Strength of the change of contrast, likewise.
        saturation: Strength of the change of saturation, likewise; only pictures of three channels have one.
    """

    def __init__(
        self,
        brightness: Annotated[float, Ge(0)] = 0.4,
        contrast: Annotated[float, Ge(0)] = 0.4,
        saturation: Annotated[float, Ge(0)] = 0.4,
    ) -> None:
        super().__init__()
        self.strengths = (brightness, contrast, saturation)

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` bytes, or numbers in [0, 1], to the same."""
        if generator is None:
            return obs
        draws = torch.rand(3, len(obs), 1, 1, 1, generator=generator, device=obs.device) * 2 - 1
        factors = [(1 + strength * draw).clamp_(min=0) for strength, draw in zip(self.strengths, draws, strict=True)]
        return jitter(obs, *(factor if strength else None for factor, strength in zip(factors, self.strengths, strict=True)))


def jitter(
    obs: torch.Tensor, brightness: torch.Tensor | None, contrast: torch.Tensor | None, saturation: torch.Tensor | None
) -> torch.Tensor:
    """Pictures ``(B, C, H, W)`` changed by factors ``(B, 1, 1, 1)``, or left where there is none."""
    bytes_ = obs.dtype == torch.uint8
    pictures = obs.to(torch.float32) if bytes_ else obs.clone()

    def limited() -> None:
        pictures.clamp_(0.0, 255.0 if bytes_ else 1.0)
        if bytes_:
            pictures.floor_()  # as bytes would be after each step

    if brightness is not None:
        pictures.mul_(brightness)
        limited()
    if contrast is not None:
        mean = _grey(pictures, whole=bytes_).mean((1, 2, 3), keepdim=True)
        pictures.mul_(contrast).add_(mean * (1 - contrast))
        limited()
    if saturation is not None and obs.shape[1] == 3:
        grey = _grey(pictures, whole=bytes_)
        pictures.mul_(saturation).add_(grey * (1 - saturation))
        limited()
    return pictures.to(obs.dtype)


def _grey(pictures: torch.Tensor, whole: bool) -> torch.Tensor:
    """Luminance ``(B, 1, H, W)`` of three channels (ITU-R BT.601), else the picture itself."""
    if pictures.shape[1] != 3:
        return pictures
    red, green, blue = (pictures[:, channel : channel + 1] for channel in range(3))
    grey: torch.Tensor = red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return grey.floor_() if whole else grey


class Normalize(nn.Module):
    """Subtracts a mean and divides by a deviation, channel by channel; bytes are numbers in [0, 1] first.

    It changes what is acted on as well as what is learned from, so it stands before an encoder: ``encoder=[normalize,cnn]``.

    Args:
        in_channels: Of the pictures, or numbers of a vector.
        mean: Mean in [0, 1] that is subtracted: one for all channels, or one for each.
        std: Standard deviation that divides after that, likewise.

    Raises:
        UsageError: If there are neither one nor as many as channels, or a deviation is 0.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, in_channels: int, mean: tuple[float, ...] = (0.5,), std: tuple[float, ...] = (0.5,)) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, in_channels):
                raise UsageError(Problem(f"normalize has {len(values)} numbers in {name}, for {in_channels} channels", f"{name}=[0.5]"))
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        if not all(std):
            raise UsageError(Problem(f"normalize divides by std={list(std)}, and one of them is 0", "std=[0.5]"))

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, ...)`` to numbers of the same shape."""
        over = (-1, *[1] * (obs.dim() - 2))
        mean, std = self.mean.view(over), self.std.view(over)
        if obs.dtype == torch.uint8:
            return obs.to(torch.float32).sub_(mean * 255.0).div_(std * 255.0)
        return (obs - mean) / std
