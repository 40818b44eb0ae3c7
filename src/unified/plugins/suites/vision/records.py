"""Reads the records of CIFAR's files, and runs nothing that stands in them. Torch-free.

CIFAR is published as pickles, and a pickle is a program: whoever loads one runs it. Here only its opcodes are listed (`pickletools` runs
none), and those that put together dictionaries, lists, tuples, texts, whole numbers and arrays of these are followed on a stack of our own.
Nothing is imported by a name in the file and nothing is called; whatever else stands there is refused. So no sum has to be trusted.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

#: What numpy writes to say that an array, or the type of its numbers, follows. They are compared with, and never looked up.
_ARRAY = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_DTYPE, _ENCODE = ("numpy", "dtype"), ("_codecs", "encode")
_ADMITTED = _ARRAY | {_DTYPE, _ENCODE, ("numpy", "ndarray")}
_TYPES = {"u1", "|u1", "i1", "|i1", "i2", "i4", "i8", "<i2", "<i4", "<i8"}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MADE = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_LITERALS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_RAW = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_STORE, _RECALL = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_SHORT = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = {"PROTO", "FRAME"}


class Unreadable(Exception):
    """It is no record, or holds what is not admitted."""


@dataclass(frozen=True)
class _Name:
    """A name in the file that says what follows; nothing of that name is looked up."""

    said: tuple[str, str]


@dataclass
class _Unfilled:
    """An array whose shape, type and bytes come later."""

    array: np.ndarray | None = None


_MARK = object()


def read_record(data: bytes) -> Any:
    """What the bytes of a file hold: texts of Python 2 as str (latin-1), arrays of whole numbers as they are.

    Raises:
        Unreadable: If there is anything else in them.
    """
    try:
        return _filled(_Machine().run(data))
    except Unreadable:
        raise
    except Exception as error:  # cut off, or put together in a way that makes no sense
        raise Unreadable(f"{type(error).__name__}: {error}") from error


class _Machine:
    """A stack, the marks on it, and what was put aside."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.aside: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                break
            self.follow(opcode.name, argument)
        (found,) = self.stack
        return found

    def follow(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _LITERALS or name in _BYTES:
            stack.append(argument)
        elif name in _RAW:
            stack.append(bytes(argument))
        elif name in _STORE:
            self.aside[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.aside[len(self.aside)] = stack[-1]
        elif name in _RECALL:
            stack.append(self.aside[argument])
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _MADE:
            stack.append(_MADE[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _SHORT:
            stack.append(tuple(self.take(_SHORT[name])))
        elif name in ("TUPLE", "LIST", "DICT"):
            self.gather(name, self.marked())
        elif name in ("APPEND", "APPENDS"):
            items = self.take(1) if name == "APPEND" else self.marked()
            _of(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self.take(2) if name == "SETITEM" else self.marked()
            _of(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, attribute = argument.split(" ") if name == "GLOBAL" else self.take(2)
            stack.append(_admitted(module, attribute))
        elif name == "REDUCE":
            what, arguments = self.take(2)
            stack.append(_put_together(_of(what, _Name), _of(arguments, tuple)))
        elif name == "BUILD":
            (state,) = self.take(1)
            _fill(stack[-1], _of(state, tuple))
        elif name not in _NOTHING:
            raise Unreadable(f"it holds {name}, which is not admitted")

    def take(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count or any(item is _MARK for item in items):
            raise Unreadable("it is cut off")
        del self.stack[-count:]
        return items

    def marked(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def gather(self, name: str, items: list[Any]) -> None:
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)) if name == "DICT" else tuple(items) if name == "TUPLE" else items)


def _of(thing: Any, kind: type) -> Any:
    if type(thing) is not kind:
        raise Unreadable(f"it has {type(thing).__name__} where {kind.__name__} belongs")
    return thing


def _admitted(module: str, attribute: str) -> _Name:
    if (module, attribute) not in _ADMITTED:
        raise Unreadable(f"it asks for {module}.{attribute}, which is not admitted")
    return _Name((module, attribute))


def _put_together(what: _Name, arguments: tuple[Any, ...]) -> Any:
    if what.said in _ARRAY:
        return _Unfilled()
    if what.said == _ENCODE and arguments[1:] == ("latin1",):  # bytes, as Python 3 writes them for Python 2
        return _of(arguments[0], str).encode("latin-1")
    if what.said == _DTYPE and arguments and arguments[0] in _TYPES:
        return np.dtype(arguments[0])
    raise Unreadable(f"it asks for {'.'.join(what.said)} of {arguments!r:.60}, which is not admitted")


def _fill(thing: Any, state: tuple[Any, ...]) -> None:
    """What numpy says of a type (the order of bytes, nothing else), or of an array: version, shape, type, order, bytes."""
    if isinstance(thing, np.dtype):
        if state[1] not in ("|", "<") or any(part is not None for part in state[2:5]):
            raise Unreadable(f"numbers of type {state!r:.60} are not admitted")
        return
    shape, dtype, fortran, raw = state[1:]
    if not isinstance(dtype, np.dtype):
        raise Unreadable(f"an array has numbers of type {dtype!r:.60}")
    numbers = np.frombuffer(raw.encode("latin-1") if isinstance(raw, str) else raw, dtype)  # a text of Python 2 is bytes
    _of(thing, _Unfilled).array = numbers.reshape(_of(shape, tuple), order="F" if fortran else "C")


def _filled(thing: Any) -> Any:
    """A record of arrays that have their numbers: a dictionary of values, the only thing that CIFAR's files hold."""
    found = {}
    for key, value in _of(thing, dict).items():
        if isinstance(value, _Unfilled):
            if value.array is None:
                raise Unreadable(f"{key!r} is an array without numbers")
            value = value.array
        found[key.decode("latin-1") if isinstance(key, bytes) else _of(key, str)] = value
    return found
