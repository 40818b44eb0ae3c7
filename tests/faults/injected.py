"""Failures of the file system: functions of `os` are replaced by ones that first ask whether something should go wrong.

An event is an operation and a path: ``mkdir``, ``rename``, ``replace``, ``fsync``, ``unlink``, ``rmdir``, ``link`` before the operation,
``after-rename`` and so on behind it. Renaming has the path of the target.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import signal
from collections.abc import Callable
from typing import Any

OPERATIONS = ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir", "link")
Hook = Callable[[str, str], None]


def install(hook: Hook, replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Call ``hook(event, path)`` around every operation of this process from now on; `replace` may be ``monkeypatch.setattr``."""
    for name in OPERATIONS:
        replace(os, name, _watched(name, getattr(os, name), hook))


def _watched(name: str, operation: Callable[..., Any], hook: Hook) -> Callable[..., Any]:
    def watched(*arguments: Any, **options: Any) -> Any:
        path = _path(name, *arguments, **options)
        hook(name, path)
        result = operation(*arguments, **options)
        hook(f"after-{name}", path)
        return result

    return watched


def _path(name: str, first: Any, second: Any = None, **options: Any) -> str:
    if name == "fsync":
        return os.readlink(f"/proc/self/fd/{first}")
    path = os.fspath(second if name in ("rename", "replace", "link") else first)
    directory = options.get("dir_fd")
    return path if directory is None else f"{os.readlink(f'/proc/self/fd/{directory}')}/{path}"


def kill() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def tear(path: str) -> None:
    """Leave half of a file, as a crash may before the file was synchronised."""
    os.truncate(path, os.path.getsize(path) // 2)


def full() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fault(text: str) -> Hook:
    """The hook of ``EVENT:PATTERN@N:ACTION``: at the N-th such event on a matching path ``kill``, ``tear`` (and kill) or be ``full``."""
    place, _, action = text.rpartition(":")
    place, _, number = place.rpartition("@")
    event, _, pattern = place.partition(":")
    left = [int(number)]

    def strike(found: str, path: str) -> None:
        if found != event or not fnmatch.fnmatch(path, pattern):
            return
        left[0] -= 1
        if left[0]:
            return
        if action == "full":
            raise full()
        if action == "tear":
            tear(path)
        kill()

    return strike
