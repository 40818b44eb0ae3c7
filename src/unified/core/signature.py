"""Options from a signature: the arguments of an architecture that nobody wrote options for. Torch-free."""

from __future__ import annotations

import inspect
import math
import re
import typing
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, create_model

from unified.core.errors import Problem, UsageError
from unified.core.options import NAME, Options

#: What follows from the shape that comes in (``in_``) or has to come out (``out_``).
SUFFIXES = ("shape", "features", "dim", "channels")
INFERRED = tuple(f"{prefix}_{suffix}" for prefix in ("in", "out") for suffix in SUFFIXES)

_PLAIN = (bool, int, float, str, type(None))


def inferred(target: Callable[..., Any]) -> list[str]:
    """Names of the arguments that are filled in."""
    try:
        return [name for name in inspect.signature(target).parameters if name in INFERRED]
    except (TypeError, ValueError):  # written in C
        return []


def options_of(target: Callable[..., Any]) -> type[Options]:
    """A model of the arguments that a person can set: all but the inferred ones and those whose values cannot be written down.

    Args:
        target: A class or a function; its docstring describes the arguments where it has a section ``Args:``.

    Raises:
        UsageError: If an argument has a name that no option can have.

    >>> def tiny(in_features: int, out_features: int, hidden: int = 64): ...
    >>> options_of(tiny)(hidden="128").hidden
    128
    """
    name = getattr(target, "__name__", type(target).__name__)
    annotations = _annotations(target)
    told = descriptions(inspect.getdoc(target) or "")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(target).parameters.values():
        key, default = parameter.name, parameter.default
        if key in INFERRED or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        if default is parameter.empty:
            default = ...
        elif not _is_plain(default):
            continue
        if key == NAME or key.startswith("_"):
            if default is not ...:
                continue
            raise UsageError(Problem(f"{name} takes an argument {key!r}, which no option can be called", "call it otherwise"))
        annotation = _annotation(annotations.get(key, Any), default)
        fields[key] = (annotation, Field(default, description=told.get(key) or f"Argument of {name}."))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an argument may be called like a method of pydantic
        return create_model(f"{name}Options", __base__=Options, __doc__=f"Arguments of `{name}`.", **fields)


def descriptions(documentation: str) -> dict[str, str]:
    """Arguments by name, as a section ``Args:`` describes them.

    >>> descriptions('''Thing.
    ...
    ... Args:
    ...     hidden: Units of
    ...         each layer.
    ...     depth: Layers.
    ... ''')
    {'hidden': 'Units of each layer.', 'depth': 'Layers.'}
    """
    _, found, section = documentation.partition("Args:\n")
    told: dict[str, str] = {}
    last = ""
    for line in inspect.cleandoc(f"\n{section}").splitlines() if found else ():
        entry = re.match(r"(\w+)(?: \([^)]*\))?: (.*)", line)
        if entry:
            last = entry[1]
            told[last] = entry[2].strip()
        elif line.startswith(" ") and last:
            told[last] += f" {line.strip()}"
        else:
            break
    return told


def _annotations(target: Callable[..., Any]) -> dict[str, Any]:
    function = getattr(target, "__init__", target) if isinstance(target, type) else target
    with suppress(Exception):  # annotations may name what is not there
        return typing.get_type_hints(function)
    return {}


def _annotation(said: Any, default: Any) -> Any:
    """The annotation where it is of plain values, else the type of the default."""
    if _is_plain_type(said):
        return said
    if default is ... or default is None or isinstance(default, dict):
        return Any
    if isinstance(default, list | tuple):
        return list[type(default[0]) if default and len({type(item) for item in default}) == 1 else Any]  # type: ignore[misc]
    return type(default)


def _is_plain_type(annotation: Any) -> bool:
    if annotation in _PLAIN or get_origin(annotation) is Literal:
        return True
    inner = [kind for kind in get_args(annotation) if kind is not ...]
    return bool(inner) and get_origin(annotation) not in (type, Callable) and all(map(_is_plain_type, inner))


def _is_plain(value: Any) -> bool:
    """Whether JSON keeps it."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not math.isfinite(value))
