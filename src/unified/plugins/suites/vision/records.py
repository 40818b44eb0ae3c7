"""Read the files of CIFAR without executing them. Torch-free.

CIFAR is published as pickles, and loading a pickle executes it. Here its opcodes are only listed (`pickletools` executes
none), and those that build dictionaries, lists, tuples, texts, integers and arrays of integers are interpreted on a stack of our own.
No name in the file is imported and nothing is called; any other opcode is an error. So no checksum has to be trusted.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Names with which NumPy announces an array or its dtype. They are compared and never imported.
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
    """The file is not a record, or contains something that is not allowed."""


@dataclass(frozen=True)
class _Name:
    """A name in the file; it is not imported."""

    name: tuple[str, str]


@dataclass
class _Unfilled:
    """An array before its shape, dtype and bytes are read."""

    array: np.ndarray | None = None


_MARK = object()


def read_record(data: bytes) -> Any:
    """Read the bytes of a file: texts of Python 2 as str (latin-1) and arrays of integers.

    Raises:
        Unreadable: If they contain anything else.
    """
    try:
        return _filled(_Machine().run(data))
    except Unreadable:
        raise
    except Exception as error:  # truncated or malformed
        raise Unreadable(f"{type(error).__name__}: {error}") from error


class _Machine:
    """Stack, marks and memo of the interpreter."""

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
            raise Unreadable(f"it holds {name}, which is not allowed")

    def take(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count or any(item is _MARK for item in items):
            raise Unreadable("it is truncated")
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
        raise Unreadable(f"it asks for {module}.{attribute}, which is not allowed")
    return _Name((module, attribute))


def _put_together(what: _Name, arguments: tuple[Any, ...]) -> Any:
    if what.name in _ARRAY:
        return _Unfilled()
    if what.name == _ENCODE and arguments[1:] == ("latin1",):  # bytes, as Python 3 writes them for Python 2
        return _of(arguments[0], str).encode("latin-1")
    if what.name == _DTYPE and arguments and arguments[0] in _TYPES:
        return np.dtype(arguments[0])
    raise Unreadable(f"it asks for {'.'.join(what.name)} of {arguments!r:.60}, which is not allowed")


def _fill(thing: Any, state: tuple[Any, ...]) -> None:
    """Set the state of a dtype (byte order only) or of an array: version, shape, dtype, order, bytes."""
    if isinstance(thing, np.dtype):
        if state[1] not in ("|", "<") or any(part is not None for part in state[2:5]):
            raise Unreadable(f"numbers of type {state!r:.60} are not allowed")
        return
    shape, dtype, fortran, raw = state[1:]
    if not isinstance(dtype, np.dtype):
        raise Unreadable(f"an array has numbers of type {dtype!r:.60}")
    numbers = np.frombuffer(raw.encode("latin-1") if isinstance(raw, str) else raw, dtype)  # a text of Python 2 is bytes
    _of(thing, _Unfilled).array = numbers.reshape(_of(shape, tuple), order="F" if fortran else "C")


def _filled(thing: Any) -> Any:
    """Check that the result is a dictionary of complete arrays and values, as in the files of CIFAR."""
    found = {}
    for key, value in _of(thing, dict).items():
        if isinstance(value, _Unfilled):
            if value.array is None:
                raise Unreadable(f"{key!r} is an array without data")
            value = value.array
        found[key.decode("latin-1") if isinstance(key, bytes) else _of(key, str)] = value
    return found
