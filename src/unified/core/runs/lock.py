"""Lock of a run directory. It ends with its process, so that no lock is ever stale."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
import weakref
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from unified.core.base.errors import Problem, UnifiedError


class RunLock:
    """An advisory lock (``flock``) on a file with the pid, host and start time of its owner.

    Args:
        path: The file, ``run.lock``. It remains when the lock is released.

    Attributes:
        supported: ``False`` after the file system has turned out to have no locks; the run then continues without one.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.supported = path, True
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Acquire the lock.

        Raises:
            UnifiedError: If another process holds it.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            for attempt in range(10):
                if self._try(descriptor, fcntl.LOCK_EX):
                    break
                if attempt < 9:  # `owner` of another process may hold it for a moment
                    time.sleep(0.02)
            else:
                raise self._taken()
            here = {"pid": os.getpid(), "host": socket.gethostname(), "started": datetime.now().astimezone().isoformat(timespec="seconds")}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(here).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._file = descriptor
        _held.add(self)

    def release(self) -> None:
        """Release the lock. A second call has no effect."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def forget(self) -> None:
        """Close this process's copy of the lock, which its parent keeps."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def owner(self) -> dict[str, Any] | None:
        """The owner of the lock (pid, host, started; empty while it is being written); ``None`` if it is free."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return None
        try:
            if self._try(descriptor, fcntl.LOCK_SH):
                return None
        finally:
            os.close(descriptor)
        return self._content()

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _try(self, descriptor: int, how: int) -> bool:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                raise
            self.supported = False
        return True

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _taken(self) -> UnifiedError:
        owner = self._content()
        mine = owner.get("pid") == os.getpid() and owner.get("host") == socket.gethostname()
        who = f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown host')}" + (" (this one)" if mine else "")
        return UnifiedError(
            Problem(
                f"{self.path.parent} is already being trained by {who}, since {owner.get('started', 'just now')}",
                "another run beside it: experiment=NAME or seed=N"
                + ("" if mine else f"; to stop that one: kill {owner.get('pid', 'PID')}"),
            )
        )


#: The locks of this process. A process that it forks would keep them beyond its death.
_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in _held:
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
