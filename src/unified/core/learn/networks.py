"""The contract of architectures: a function or class returning an `nn.Module`, sized by inference from the names of its arguments."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from unified.core.base.errors import Problem, UsageError

Shape = tuple[int, ...]

#: Names that are filled in, and how they follow from the shape that comes in (or has to come out).
_INFERRED: dict[str, Callable[[Shape], Any]] = {
    "shape": lambda shape: shape,
    "features": math.prod,
    "dim": math.prod,
    "channels": lambda shape: shape[0],
}


def is_head(target: Callable[..., nn.Module]) -> bool:
    """Whether an architecture has an output argument: a part with one is a head, one without is a body."""
    return any(name in inspect.signature(target).parameters for name in (f"out_{suffix}" for suffix in _INFERRED))


def construct(
    target: Callable[..., nn.Module] | nn.Module,
    in_shape: Shape,
    out_shape: Shape | None = None,
    options: dict[str, Any] | None = None,
    flat: bool = True,
) -> nn.Module:
    """Build an architecture, filling in ``in_shape, in_features, in_dim, in_channels``, the same with ``out_``, and ``flat``.

    Args:
        target: A class or function returning a module; or a finished module, which is copied.
        in_shape: Of one row that goes in, e.g. ``(9, 84, 84)``.
        out_shape: Of one row that has to come out; only a head (`is_head`) takes it.
        options: Further arguments by name; they win over what is inferred.
        flat: Whether one vector has to come out, or a map is welcome: fills in an argument of this name that is ``None``.

    Raises:
        UsageError: If an output is asked of a body, an argument is unknown or missing, or no module comes out.
    """
    if isinstance(target, nn.Module):
        return _copied(target, in_shape, out_shape)
    parameters = inspect.signature(target).parameters
    arguments: dict[str, Any] = {}
    for prefix, shape in (("in", in_shape), ("out", out_shape)):
        for suffix, infer in _INFERRED.items():
            if f"{prefix}_{suffix}" in parameters and shape is not None:
                arguments[f"{prefix}_{suffix}"] = infer(shape)
    name = getattr(target, "__name__", str(target))
    if out_shape is not None and not is_head(target):
        raise UsageError(f"architecture {name} has no output argument, so it cannot be used as a head (wanted: {out_shape})")
    accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in (options or {}).items():
        if key not in parameters and not accepts_any:
            raise UsageError(f"architecture {name} has no argument {key!r}; it has {', '.join(parameters)}")
        arguments[key] = value
    if "flat" in parameters and arguments.get("flat", parameters["flat"].default) is None:
        arguments["flat"] = flat
    missing = [key for key, value in parameters.items() if key not in arguments and _is_needed(value)]
    if missing:
        head = out_shape is None and all(key.startswith("out_") for key in missing)
        why = "it is a head, and a body is wanted here" if head else "inferred are in_shape, in_features, in_channels, in_dim and out_…"
        raise UsageError(Problem(f"architecture {name} needs {', '.join(missing)}: {why}"))
    try:
        module = target(**arguments)
    except (ValueError, IndexError) as error:
        if "in_shape" in parameters and len(in_shape) != 3:  # a network of pictures, which looks for their sides
            of_pictures = "tuple[int, int, int]" in str(parameters["in_shape"].annotation)
            why = f"{name} cannot take {in_shape}: {'it takes pictures (C, H, W)' if of_pictures else error}"
            raise UsageError(Problem(why, _others(in_shape))) from error
        raise
    if not isinstance(module, nn.Module):
        raise UsageError(f"architecture {name} returned {type(module).__name__} and no nn.Module")
    return module


def accepts_feature_maps(targets: Iterable[Callable[..., nn.Module] | nn.Module]) -> bool:
    """Whether the first of these that is sized by what comes in asks for its shape or channels, and not for a number of features.

    >>> takes_maps([nn.ReLU, nn.Conv2d, nn.Linear]), takes_maps([nn.Linear]), takes_maps([])
    (True, False, False)
    """
    for target in targets:
        names = inspect.signature(type(target) if isinstance(target, nn.Module) else target).parameters
        if any(f"in_{suffix}" in names for suffix in _INFERRED):
            return "in_shape" in names or "in_channels" in names
    return False


def _is_needed(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variadic


def _copied(module: nn.Module, in_shape: Shape, out_shape: Shape | None) -> nn.Module:
    """A copy of somebody's module, which has the right shapes or is refused."""
    found = output_shape(module, in_shape)
    if out_shape is not None and found != out_shape:
        raise UsageError(f"{type(module).__name__} turns {in_shape} into {found}; {out_shape} is wanted here")
    return copy.deepcopy(module)


class PixelsToFloat(nn.Module):
    """Lets a network that wants numbers see pictures: bytes become float32 in [0, 1], standardised where their statistics are known.

    What comes as numbers stays as it is.

    Args:
        module: The network.
        mean: Of each channel in [0, 1]; empty for numbers in [0, 1] as they are. Stacked pictures repeat it.
        std: Likewise.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, module: nn.Module, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.module, self.standardised = module, bool(mean)
        scale = torch.tensor(std or (1.0,))
        # (x / 255 - mean) / std in one multiplication and one addition.
        self.register_buffer("scale", (1.0 / (255.0 * scale)).view(-1, 1, 1), persistent=False)
        self.register_buffer("offset", (-torch.tensor(mean or (0.0,)) / scale).view(-1, 1, 1), persistent=False)

    def forward(self, obs: torch.Tensor) -> Any:
        if obs.dtype == torch.uint8:
            obs = obs.to(torch.float32)
            obs = obs.mul_(self.scale).add_(self.offset) if self.standardised else obs.div_(255.0)
        return self.module(obs)


class NormalizeInput(nn.Module):
    """Lets a network see vectors whose numbers have mean 0 and deviation 1.

    Args:
        module: The network.
        mean: Of each number ``(D,)``.
        std: Likewise.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, module: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, obs: torch.Tensor) -> Any:
        return self.module((obs - self.mean) / self.std)


def needs_float_input(module: nn.Module, in_shape: Shape) -> bool:
    """Whether a network takes pictures in float32 but not in bytes, as the replay stores them. The network is called: on meta both work."""
    probe = copy.deepcopy(module).cpu().train(False)

    def takes(dtype: torch.dtype) -> bool:
        try:
            with torch.no_grad():
                probe(torch.zeros(2, *in_shape, dtype=dtype))
        except Exception:  # whatever a network does with what it cannot take
            return False
        return True

    return not takes(torch.uint8) and takes(torch.float32)


def output_shape(module: nn.Module, in_shape: Shape) -> Shape:
    """Shape of one row that `module` returns for a row of `in_shape`, found on the meta device: nothing is computed.

    Raises:
        UsageError: If the module cannot take such rows.

    >>> output_shape(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2))
    (5,)
    """
    rows = trial(module, in_shape)
    if not isinstance(rows, torch.Tensor):
        raise UsageError(f"{type(module).__name__} returns {type(rows).__name__} and no tensor")
    return tuple(rows.shape[1:])


def trial(module: nn.Module, in_shape: Shape) -> Any:
    """What a module returns for two rows of `in_shape`, on the meta device.

    Raises:
        UsageError: If it cannot take such rows.
    """
    try:
        return _call(module, in_shape, "meta")
    except Exception:  # a network may look at its numbers, and there are none on the meta device
        try:
            return _call(module, in_shape, "cpu")
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            name = type(module.module if isinstance(module, PixelsToFloat) else module).__name__
            raise UsageError(Problem(f"{name} cannot take {in_shape}: {reason}", _others(in_shape))) from error


def _others(in_shape: Shape) -> str:
    everything = "all: unified plugins list architectures"
    return everything if len(in_shape) == 3 else f"a vector is taken by identity or mlp   {everything}"


def _call(module: nn.Module, in_shape: Shape, device: str) -> Any:
    probe = copy.deepcopy(module).to(device).train(False)
    with torch.no_grad():
        return probe(torch.zeros(2, *in_shape, device=device))
