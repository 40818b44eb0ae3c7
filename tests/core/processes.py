"""Which processes live. A zombie does not: an orphan stays one until the first process of the container reaps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def lives(pid: int) -> bool:
    return _state(pid)[0] not in "ZX"


def members(group: int) -> list[int]:
    """The processes of a process group that live."""
    found = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in found if (state := _state(pid))[1] == group and state[0] not in "ZX"]


def soon(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether a condition holds within some seconds."""
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds


def _state(pid: int) -> tuple[str, int]:
    """The state letter and the group of a process; `X` if there is none. The name before them may contain any character."""
    try:
        state, _, group, *_ = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "X", -1
    return state, int(group)
