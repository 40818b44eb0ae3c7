"""Lock of a run directory. It ends with its process, so that no lock is ever stale."""

from __future__ import annotations

import contextlib
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
from unified.core.base.files import make_directory, naming, open_file, read_json

#: Locks that this process holds. A forked child gives up its copies, or it would keep a run locked after the end of its parent.
_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


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
        """Whether this object holds the lock, and the lock is still the one at its path."""
        return self._file is not None and self._is_at_path(self._file)

    @property
    def place(self) -> Path | None:
        """The directory of the locked file now, wherever it was moved; ``None`` if this object does not hold it."""
        if self._file is None:
            return None
        with contextlib.suppress(OSError):  # only Linux knows
            return Path(os.readlink(f"/proc/self/fd/{self._file}")).parent
        return self.path.parent

    def acquire(self) -> None:
        """Acquire the lock; the directory is created if it is missing.

        Raises:
            UnifiedError: If another process holds it.
            OSError: If the file cannot be opened or written.
        """
        for attempt in range(10):
            descriptor = self._open()
            try:
                # A refused start may remove the file between opening and locking it; the lock of a removed file locks nothing.
                if self._try(descriptor, fcntl.LOCK_EX) and self._is_at_path(descriptor):
                    self._write_owner(descriptor)
                    self._file = descriptor
                    _held.add(self)
                    return
            finally:
                if self._file != descriptor:
                    os.close(descriptor)
            if attempt < 9:  # `owner` of another process may hold it for a moment
                time.sleep(0.02)
        raise self._taken()

    def release(self) -> None:
        """Release the lock. A second call has no effect."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what it says means nothing without the lock
                os.ftruncate(self._file, 0)
            self.forget()

    def forget(self) -> None:
        """Close the file. The lock is released when no other process has it open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        _held.discard(self)

    def owner(self) -> dict[str, Any] | None:
        """The owner of the lock (pid, host, started; empty while it is being written); ``None`` if it is free."""
        try:
            descriptor = open_file(self.path)
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

    def _open(self) -> int:
        for _ in range(10):
            make_directory(self.path.parent)
            with contextlib.suppress(FileNotFoundError):  # a refused start has removed the directory meanwhile
                return open_file(self.path, os.O_RDWR | os.O_CREAT)
        return open_file(self.path, os.O_RDWR | os.O_CREAT)

    def _is_at_path(self, descriptor: int) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
        return False

    def _write_owner(self, descriptor: int) -> None:
        here = {"pid": os.getpid(), "host": socket.gethostname(), "started": datetime.now().astimezone().isoformat(timespec="seconds")}
        with naming(self.path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(here).encode(), 0)

    def _try(self, descriptor: int, how: int) -> bool:
        try:
            with naming(self.path):
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
            content: dict[str, Any] = read_json(self.path, {}, limit=1 << 16)
        except (OSError, ValueError):
            return {}
        return content

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


def _forget_in_child() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)
