"""Augmentations of batches: each picture gets draws of its own, from a generator that is handed over, and all are moved at once.

An augmentation is a module with ``forward(obs, generator)`` that keeps the shape. Without a generator nothing is drawn, and pictures stay
as they are. Bytes stay bytes wherever that loses nothing: a quarter of the memory moves.
"""

from __future__ import annotations

import inspect
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Le
from torch import nn

from unified.core.base.errors import Problem, UsageError
from unified.core.learn.networks import Shape, output_shape

if TYPE_CHECKING:
    from unified.core.learn.builder import Builder

#: What NumPy, too, has a name for.
_NUMPY = (torch.uint8, torch.float32, torch.float64)


class Augmentations(nn.Sequential):
    """Augmentations one after the other.

    Args:
        part: One, or a `torch.nn.Sequential` of several. One that takes no generator, of torchvision for example, draws what it draws
            for each picture alone (`Apart`). The identity costs nothing.
    """

    def __init__(self, part: nn.Module) -> None:
        steps = list(part) if type(part) is nn.Sequential else [part]
        steps = [step for step in steps if not isinstance(step, nn.Identity)]
        super().__init__(*(step if takes_generator(step) else Apart(step) for step in steps))

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, *shape)`` to the same shape."""
        for step in self:
            obs = step(obs, generator)
        return obs


def make_augmentations(build: Builder, selection: Any, in_shape: Shape) -> Augmentations:
    """What was selected as an agent's ``aug``, one or a list.

    Args:
        build: Makes the parts.
        selection: As in `Build.part`.
        in_shape: Of an observation, stacked where they are.

    Raises:
        UsageError: If one of them changes the shape: what acts sees observations as they are, and must know them again.
    """
    with torch.random.fork_rng(devices=[]):  # those of other libraries draw when they are tried
        augmentations = Augmentations(build.part(selection, in_shape))
        for step in augmentations:
            if (found := output_shape(step.module if isinstance(step, Apart) else step, in_shape)) != in_shape:
                hint = "one that keeps the shape: random_crop pads first"
                raise UsageError(Problem(f"an augmentation turns {in_shape} into {found}, and agents act on {in_shape}", hint))
    return augmentations


def takes_generator(module: nn.Module) -> bool:
    """Whether a module draws from a generator that it is handed."""
    return "generator" in inspect.signature(module.forward).parameters


class Apart(nn.Module):
    """Lets a module that draws from the global generator draw from one that is handed over, for each few rows anew.

    A transform of torchvision draws once for all that it is given. A batch of pictures that have nothing to do with each other is
    therefore taken apart, and this costs what the transform costs on a single picture: of 3×32×32 bytes, on one thread, 25 µs (a flip) to
    250 µs (`RandAugment`), and a third to a fifth of it where eight share their draws. What is written for batches takes 1 to 12 µs.

    Args:
        module: Takes a batch.
        share: Rows that share their draws.
    """

    def __init__(self, module: nn.Module, share: int = 1) -> None:
        super().__init__()
        self.module, self.share = module, share

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, *shape)`` to the same shape."""
        if generator is None:
            return obs
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        with torch.random.fork_rng(devices=[obs.device] if obs.is_cuda else []):
            torch.manual_seed(seed)
            return torch.cat([self.module(rows) for rows in torch.split(obs, self.share)])


class RandomCrop(nn.Module):
    """Pads a picture and crops it back at a random place: with four black pixels, the augmentation of CIFAR since He et al. 2016.

    Args:
        padding: Padding in pixels on each side, and the greatest shift.
        fill: Value of the padding; up to 255 for bytes.
    """

    def __init__(self, padding: Annotated[int, Ge(0)] = 4, fill: Annotated[float, Ge(0), Le(255)] = 0.0) -> None:
        super().__init__()
        self.padding, self.fill = padding, fill

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` of any type to the same."""
        if generator is None or not len(obs):
            return obs
        y, x = torch.randint(2 * self.padding + 1, (2, len(obs)), generator=generator, device=obs.device)
        return cropped(obs, self.padding, y, x, self.fill)


class RandomHorizontalFlip(nn.Module):
    """Mirrors a picture, left to right.

    Args:
        p: Probability of a flip.
    """

    def __init__(self, p: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` of any type to the same."""
        if generator is None:
            return obs
        mirrored = torch.rand(len(obs), generator=generator, device=obs.device) < self.p
        return where(mirrored[:, None, None, None], obs.flip(-1), obs)


class RandomErasing(nn.Module):
    """Fills a random rectangle. Source: Zhong et al. 2020, "Random Erasing Data Augmentation", algorithm 1.

    A rectangle that is too high or too wide is cut to the picture, where the paper draws another one.

    Args:
        p: Probability of a rectangle.
        scale: Least and greatest share of the picture's area.
        ratio: Least and greatest height over width; its logarithm is drawn evenly.
        fill: Value of the rectangle; up to 255 for bytes.
    """

    def __init__(
        self,
        p: Annotated[float, Ge(0), Le(1)] = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        fill: Annotated[float, Ge(0), Le(255)] = 0.0,
    ) -> None:
        super().__init__()
        self.p, self.scale, self.ratio, self.fill = p, scale, ratio, fill

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` of any type to the same."""
        if generator is None:
            return obs
        sides = obs.shape[2:]
        erased, share, shape, *place = torch.rand(5, len(obs), generator=generator, device=obs.device)
        area = math.prod(sides) * _between(self.scale, share)
        ratio = _between((math.log(self.ratio[0]), math.log(self.ratio[1])), shape).exp()
        spans = []
        for side, length, at in zip(sides, ((area * ratio).sqrt(), (area / ratio).sqrt()), place, strict=True):
            length = length.round().clamp_(max=side)
            start = (at * (side - length + 1)).floor()
            spans.append(_span(side, start, start + length))
        return _filled(obs, spans[0] & (erased < self.p)[:, None], spans[1], self.fill)


class Cutout(nn.Module):
    """Fills a square around a random pixel, as much of it as lies within the picture. Source: DeVries & Taylor 2017.

    Args:
        size: Height and width of the square.
        fill: Value of the square; up to 255 for bytes.
    """

    def __init__(self, size: Annotated[int, Ge(1)] = 8, fill: Annotated[float, Ge(0), Le(255)] = 0.0) -> None:
        super().__init__()
        self.size, self.fill = size, fill

    def forward(self, obs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """``(B, C, H, W)`` of any type to the same."""
        if generator is None:
            return obs
        spans = []
        for side in obs.shape[2:]:
            start = torch.randint(side, (len(obs),), generator=generator, device=obs.device) - self.size // 2
            spans.append(_span(side, start, start + self.size))
        return _filled(obs, spans[0], spans[1], self.fill)


def cropped(obs: torch.Tensor, padding: int, y: torch.Tensor, x: torch.Tensor, fill: float) -> torch.Tensor:
    """Each picture ``(B, C, H, W)``, padded on all sides, from row y and column x on, ``(B,)`` each, 0 to twice the padding.

    To crop so is to begin elsewhere in memory: a channel is copied at once, with what lies before or behind it, and then painted over
    where the padding would be seen. Row by row it takes twice as long.
    """
    rows, channels, height, width = obs.shape
    margin = obs.new_zeros(padding * (width + 1))  # nothing begins before the first or ends behind the last
    line = torch.cat([margin, obs.flatten(), margin])
    channel = torch.arange(rows * channels, device=obs.device).view(rows, channels) * (height * width)
    moved = _windows(line, channel + (y * width + x)[:, None], height * width)  # (B, C, H * W)
    down, right = _seen(height, width, padding, obs.device)
    seen = down.index_select(0, y).bitwise_and_(right.index_select(0, x))[:, None]  # (B, 1, H * W)
    if obs.dtype == torch.uint8 and not fill:
        return moved.bitwise_and_(seen).view(obs.shape)
    return torch.where(seen.bool(), moved, torch.full((), fill, dtype=obs.dtype, device=obs.device)).view(obs.shape)


@lru_cache(maxsize=8)
def _seen(height: int, width: int, padding: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Where no padding is seen, from each row on and from each column on: ``(2 P + 1, H * W)`` each, all bits of a byte or none."""
    start = torch.arange(-padding, padding + 1, device=device)
    down, right = (_bits(_span(side, -start, side - start)) for side in (height, width))
    return down[:, :, None].expand(-1, -1, width).flatten(1), right[:, None, :].expand(-1, height, -1).flatten(1)


def _windows(line: torch.Tensor, start: torch.Tensor, length: int) -> torch.Tensor:
    """The parts of a line ``(L,)`` that begin at ``start``, of any shape: ``(*start, length)``."""
    if line.requires_grad:  # of a window's gradient torch keeps all windows
        return line[start[..., None] + torch.arange(length, device=line.device)]
    view = line.unfold(0, length, 1)  # nothing is copied
    return _copied(view, start) if line.device.type == "cpu" and line.dtype in _NUMPY else view[start]


@torch.library.custom_op("unified::windows", mutates_args=())
def _copied(view: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """``view[start]``: NumPy copies a row at once, torch number by number. An operation of its own can be part of a graph."""
    return torch.from_numpy(view.numpy()[start.numpy()])


@_copied.register_fake
def _(view: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    return view.new_empty(*start.shape, *view.shape[1:])


def where(mask: torch.Tensor, chosen: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """`torch.where`; of bytes by their bits, which is four times as fast."""
    if chosen.dtype != torch.uint8:
        return torch.where(mask, chosen, other)
    return (chosen ^ other).bitwise_and_(_bits(mask)).bitwise_xor_(other)


def _bits(mask: torch.Tensor) -> torch.Tensor:
    """All bits of a byte, or none."""
    return mask.to(torch.uint8).mul_(255)


def _between(bounds: tuple[float, float], share: torch.Tensor) -> torch.Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def _span(side: int, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Which places of a side lie within start and end, ``(B, side)``."""
    places = torch.arange(side, device=start.device)
    return (places >= start[:, None]) & (places < end[:, None])


def _filled(obs: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, fill: float) -> torch.Tensor:
    """Pictures with a rectangle of another value, where rows ``(B, H)`` and columns ``(B, W)`` both say so."""
    return where((rows[:, :, None] & columns[:, None, :])[:, None], torch.full((), fill, dtype=obs.dtype, device=obs.device), obs)
