"""Options from a signature: the arguments of an architecture or objective, described by its docstring. Imports no torch.

``channels: Annotated[int, Ge(1)] = 32`` is an option with a limit; its help is the line of ``channels`` in the section ``Args:``.
"""

from __future__ import annotations

import inspect
import math
import re
import textwrap
import typing
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, create_model

from unified.core.base.errors import Problem, UsageError
from unified.core.components import static
from unified.core.components.options import NAME, Options
from unified.core.components.static import INFERRED, is_filled_in

if TYPE_CHECKING:
    from unified.core.components.descriptors import Component

_PLAIN = (bool, int, float, str, type(None))


def inferred(target: Callable[..., Any]) -> list[str]:
    """Names of the arguments that follow from shapes."""
    try:
        return [name for name in inspect.signature(target).parameters if name in INFERRED]
    except (TypeError, ValueError):  # written in C
        return []


def options_of(target: Callable[..., Any]) -> type[Options]:
    """A model of the arguments that users can set: all except the inferred ones and those with defaults that are not plain values.

    Args:
        target: A class or a function. The section ``Args:`` of its docstring describes the arguments.

    Raises:
        UsageError: If an argument has a reserved name.

    >>> def tiny(in_features: int, out_features: int, hidden: int = 64): ...
    >>> options_of(tiny)(hidden="128").hidden
    128
    """
    annotations = _annotations(target)
    parameters = inspect.signature(target).parameters.values()
    evaluated = [each.replace(annotation=annotations.get(each.name, Any)) for each in parameters]
    return _model(getattr(target, "__name__", type(target).__name__), inspect.getdoc(target) or "", evaluated)


def options_by_signature(component: Component, functions: bool = True) -> type[Options]:
    """The options of a component without a model: its arguments, read from the source if possible, else by importing it.

    Args:
        component: An architecture or an objective.
        functions: Whether the arguments of a function are options too.

    Raises:
        UnifiedError: If it has to be imported and cannot be.
        UsageError: If an argument has a reserved name.
    """
    if component.held is None:
        with suppress(static.Unreadable):
            return _static_model(component.target, functions)
    loaded = component.load()
    return options_of(loaded) if isinstance(loaded, type) or (functions and inspect.isroutine(loaded)) else Options


@lru_cache(maxsize=256)
def _static_model(target: str, functions: bool) -> type[Options]:
    found = static.signature(target)
    if found.is_function and not functions:
        return Options
    return _model(found.name, inspect.cleandoc(found.doc), found.parameters)


def _model(name: str, documentation: str, parameters: Iterable[inspect.Parameter]) -> type[Options]:
    texts = descriptions(documentation)
    fields: dict[str, Any] = {}
    for parameter in parameters:
        key, default = parameter.name, parameter.default
        if is_filled_in(key) or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            continue
        if default is parameter.empty:
            default = ...
        elif not _is_plain(default):
            continue
        if key == NAME or key.startswith("_"):
            if default is not ...:
                continue
            raise UsageError(Problem(f"{name} takes an argument {key!r}, a reserved name of options", "rename the argument"))
        declared = parameter.annotation
        annotation = _annotation(Any if declared is parameter.empty else declared, default)
        checked = get_origin(annotation) is Annotated
        fields[key] = (annotation, Field(default, description=texts.get(key) or f"Argument of {name}.", validate_default=checked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an argument may have the name of a method of pydantic
        return create_model(f"{name}Options", __base__=Options, __doc__=f"Arguments of `{name}`.", **fields)


def descriptions(documentation: str) -> dict[str, str]:
    """Descriptions of arguments by name, from the section ``Args:``.

    >>> descriptions('''Network.
    ...
    ... Args:
    ...     hidden: Units of
    ...         each layer.
    ...     depth: Layers.
    ...
    ... Raises:
    ...     ValueError: Never.
    ... ''')
    {'hidden': 'Units of each layer.', 'depth': 'Layers.'}
    """
    _, _, section = documentation.partition("Args:\n")
    indented = takewhile(lambda line: not line or line.startswith(" "), section.splitlines())
    texts: dict[str, str] = {}
    last = ""
    for line in textwrap.dedent("\n".join(indented)).splitlines():
        entry = re.match(r"(\w+)(?: \([^)]*\))?: (.*)", line)
        if entry:
            last = entry[1]
            texts[last] = entry[2].strip()
        elif line.startswith(" ") and last:
            texts[last] += f" {line.strip()}"
        else:
            break
    return texts


def _annotations(target: Callable[..., Any]) -> dict[str, Any]:
    function = getattr(target, "__init__", target) if isinstance(target, type) else target
    with suppress(Exception):  # annotations may refer to missing names
        return typing.get_type_hints(function, include_extras=True)
    return {}


def _annotation(declared: Any, default: Any) -> Any:
    """The annotation if its values are plain, else the type of the default."""
    if _is_plain_type(declared):
        return declared
    if default is ... or default is None or isinstance(default, dict):
        return Any
    if isinstance(default, list | tuple):
        return list[type(default[0]) if default and len({type(item) for item in default}) == 1 else Any]  # type: ignore[misc]
    return type(default)


def _is_plain_type(annotation: Any) -> bool:
    if annotation in _PLAIN or get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) is Annotated:
        return _is_plain_type(get_args(annotation)[0])
    inner = [kind for kind in get_args(annotation) if kind is not ... and kind is not Any]
    return bool(inner) and get_origin(annotation) not in (type, Callable) and all(map(_is_plain_type, inner))


def _is_plain(value: Any) -> bool:
    """Whether JSON can represent the value."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not math.isfinite(value))
