"""Messages between a vector of environments and its workers: a JSON head and raw arrays. Received data is never executed."""

from __future__ import annotations

import json
import struct
import traceback
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from unified.core.base.errors import PluginFailed, Problem, UnifiedError, UsageError, error_text, one_line, shortened
from unified.core.envs.suite import UnsupportedRender

_LENGTH = struct.Struct("<I")


class Message(NamedTuple):
    """A request (``head["op"]``) or its response."""

    head: dict[str, Any]
    arrays: tuple[np.ndarray, ...] = ()


def encode(message: Message, env_id: int = 0) -> bytes:
    """Encode the message of an environment as bytes: the length of the head, the head, the arrays. A frame is a sequence of them."""
    arrays = [np.ascontiguousarray(array) for array in message.arrays]
    layout = [[_described(array.dtype), list(np.shape(source))] for array, source in zip(arrays, message.arrays, strict=True)]
    head = json.dumps([env_id, message.head, layout]).encode()
    return b"".join([_LENGTH.pack(len(head)), head, *(array.tobytes() for array in arrays)])


def decode(frame: bytes) -> list[tuple[int, Message]]:
    """The environment and the content of each message of a frame; the arrays are read-only views of `frame`."""
    messages, start = [], 0
    while start < len(frame):
        (length,) = _LENGTH.unpack_from(frame, start)
        end = start + _LENGTH.size + length
        env_id, head, layout = json.loads(frame[start + _LENGTH.size : end])
        arrays = []
        for dtype, shape in layout:
            array: np.ndarray = np.ndarray(shape, _dtype(dtype), frame, end)
            arrays.append(array)
            end += array.nbytes
        messages.append((env_id, Message(head, tuple(arrays))))
        start = end
    return messages


def _described(dtype: np.dtype[Any]) -> Any:
    """A type as JSON data: its text, or name, text and shape of each field of a record."""
    return dtype.str if dtype.fields is None else [[name, dtype[name].base.str, list(dtype[name].shape)] for name in dtype.names or ()]


def _dtype(described: Any) -> np.dtype[Any]:
    return np.dtype(described if isinstance(described, str) else [(name, text, tuple(shape)) for name, text, shape in described])


def describe(error: BaseException) -> Message:
    """The response for an exception, with its traceback if it is no known error."""
    if isinstance(error, UnifiedError):
        kind = "usage" if isinstance(error, UsageError) else "known"
        return Message({"error": kind, "problems": [{name: shortened(text) for name, text in asdict(p).items()} for p in error.problems]})
    if isinstance(error, UnsupportedRender):
        return Message({"error": "render", "message": str(error)})
    trace = "".join(traceback.format_tb(error.__traceback__, limit=-20)) + error_text(error)
    return Message({"error": "unforeseen", "message": one_line(error), "traceback": trace})


def raise_described(head: dict[str, Any], name: str) -> None:
    """Raise the exception that a response describes, if any; `name` is the environment's name for messages."""
    kind = head.get("error")
    if kind is None:
        return
    if kind == "render":
        raise UnsupportedRender(head["message"])
    if kind == "unforeseen":
        error = PluginFailed(f"{name} raised {head['message']}")
        error.add_note(head["traceback"])
        raise error
    problems = [Problem(**problem) for problem in head["problems"]]
    raise UsageError(*problems) if kind == "usage" else UnifiedError(*problems)
