"""Undo everything that a piece of work changes in an object: tensors, arrays, containers, attributes and generators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Generator, Tensor

#: What cannot be changed, or is not the object's own.
_OTHERS = (str, bytes, int, float, complex, bool, type(None), type, ModuleType)


@contextmanager
def rolled_back(root: object, *but: object) -> Iterator[None]:
    """Context at whose end everything that can be reached from an object is as it was at the beginning.

    Reached are attributes, elements of containers, and what functions and methods hold. Tensors are written in place, without a trace in
    their version counters.

    >>> calls = {"update": [1]}
    >>> with rolled_back(calls):
    ...     calls["update"].append(2)
    >>> calls
    {'update': [1]}

    Args:
        root: The object.
        *but: Objects that are left out, with what only they lead to.
    """
    undo = [restore for each in _reachable(root, but) for restore in _undo(each)]
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _reachable(root: object, but: Sequence[object]) -> Iterator[Any]:
    """Every object once, the root first."""
    seen: dict[int, object] = {id(each): each for each in but}  # keeps what is made on the way, so that no identity is used twice
    left = [root]
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, _OTHERS):
            seen[id(each)] = each
            yield each
            left.extend(_held(each))


def _held(each: Any) -> Iterable[Any]:
    """What an object holds."""
    held: list[Any] = []
    if isinstance(each, Tensor | np.ndarray | Generator | np.random.Generator):
        return held
    if isinstance(each, dict):
        held += [*each.keys(), *each.values()]
    elif isinstance(each, list | tuple | set | frozenset | deque):
        held += each
    elif isinstance(each, MethodType):
        held += [each.__self__, each.__func__]
    elif isinstance(each, FunctionType):
        held += each.__closure__ or ()
    elif isinstance(each, CellType):
        held += _content(each)
    elif isinstance(each, partial):
        held += [each.func, *each.args, *each.keywords.values()]
    return [*held, *getattr(each, "__dict__", {}).values()]


def _undo(each: Any) -> Iterator[Callable[[], object]]:
    """Functions that restore the present content of an object."""
    if isinstance(each, Tensor):
        yield partial(_write, each, each.detach().clone())
    elif isinstance(each, np.ndarray):
        if each.flags.writeable:
            yield partial(np.copyto, each, each.copy())
    elif isinstance(each, Generator):
        yield partial(each.set_state, each.get_state())
    elif isinstance(each, np.random.Generator):
        yield partial(setattr, each.bit_generator, "state", each.bit_generator.state)
    elif isinstance(each, dict):
        yield partial(_refill, each, dict(each), each.update)
    elif isinstance(each, list | deque):
        yield partial(_refill, each, list(each), each.extend)
    elif isinstance(each, set):
        yield partial(_refill, each, set(each), each.update)
    elif isinstance(each, CellType):
        yield from (partial(setattr, each, "cell_contents", content) for content in _content(each))
    if isinstance(attributes := getattr(each, "__dict__", None), dict):
        yield partial(_refill, attributes, dict(attributes), attributes.update)


def _write(tensor: Tensor, values: Tensor) -> None:
    tensor.data.copy_(values)  # `data` leaves the version counter unchanged


def _refill(container: Any, content: Any, fill: Callable[[Any], object]) -> None:
    """Put the content back, if it is not there."""
    if list(map(id, _elements(container))) != list(map(id, _elements(content))):
        container.clear()
        fill(content)


def _elements(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else list(container)


def _content(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # it is empty
        return []
