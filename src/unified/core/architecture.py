"""The contract of architectures: a function or class returning an `nn.Module`, sized by inference from the names of its arguments."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from unified.core.errors import Problem, UsageError

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
    target: Callable[..., nn.Module], in_shape: Shape, out_shape: Shape | None = None, options: dict[str, Any] | None = None
) -> nn.Module:
    """Build an architecture, filling in ``in_shape, in_features, in_dim, in_channels`` and the same with ``out_``.

    Args:
        target: A class or function returning a module.
        in_shape: Of one row that goes in, e.g. ``(9, 84, 84)``.
        out_shape: Of one row that has to come out; only a head (`is_head`) takes it.
        options: Further arguments by name; they win over what is inferred.

    Raises:
        UsageError: If an output is asked of a body, or an argument is unknown.
    """
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
    return target(**arguments)


def output_shape(module: nn.Module, in_shape: Shape) -> Shape:
    """Shape of one row that `module` returns for a row of `in_shape`, found on the meta device: nothing is computed.

    Raises:
        UsageError: If the module cannot take such rows.

    >>> output_shape(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2))
    (5,)
    """
    probe = copy.deepcopy(module).to("meta").train(False)
    try:
        with torch.no_grad():
            return tuple(probe(torch.empty(2, *in_shape, device="meta")).shape[1:])
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            Problem(f"{type(module).__name__} cannot take {in_shape}: {reason}", "all: unified plugins list architectures")
        ) from error
