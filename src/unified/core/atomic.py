"""Writing that survives a crash: a file or a directory is there whole, or not at all.

Testing aid: ``UNIFIED_FAULT=NAME:kill`` ends the process with SIGKILL at the fault point `NAME`, ``NAME:full`` raises "no space left on
device" there, and ``NAME@3:kill`` does so at its third passing. Tests in the same process set `fault_hook` instead.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

#: Called with the name of each fault point that is passed. For tests.
fault_hook: Callable[[str], None] | None = None
_passed: Counter[str] = Counter()


def fault_point(name: str) -> None:
    """A named place where a test may let things go wrong; does nothing otherwise."""
    if fault_hook is not None:
        fault_hook(name)
    wanted = os.environ.get("UNIFIED_FAULT")
    if not wanted:
        return
    place, _, action = wanted.rpartition(":")
    place, _, passing = place.partition("@")
    if place != name:
        return
    _passed[name] += 1
    if _passed[name] != int(passing or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "full":
        raise no_space()


def no_space() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Written(NamedTuple):
    """What went into a file: bytes, and their sha256 in hexadecimal."""

    size: int
    sha256: str


def write_bytes(path: Path, data: bytes | Iterable[Any], fault: str | None = None) -> Written:
    """Write a new file and wait until the disk has it. Not atomic by itself: write where nobody looks, then rename.

    Args:
        path: The file; one that is there is overwritten.
        data: Bytes, or buffers one after the other.
        fault: Name of a fault point to pass before the last buffer.
    """
    digest, size = hashlib.sha256(), 0
    buffers: Iterable[Any] = [data] if isinstance(data, bytes) else data
    with path.open("wb") as file:
        held: Any = None
        for buffer in buffers:
            if held is not None:
                file.write(held)
            digest.update(buffer)
            size += memoryview(buffer).nbytes
            held = buffer
        if fault is not None:
            file.flush()
            fault_point(fault)
        if held is not None:
            file.write(held)
        file.flush()
        os.fsync(file.fileno())
    return Written(size, digest.hexdigest())


def replace(path: Path, data: bytes | Iterable[Any]) -> Written:
    """Give `path` new content, atomically: afterwards it has the old content or the new one, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        written = write_bytes(temporary, data, fault=f"{path.name}:writing")
        fault_point(f"{path.name}:before_rename")
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)
    return written


def rename(source: Path, target: Path) -> None:
    """Rename a file or directory and wait until the disk knows."""
    source.rename(target)
    fsync_directory(target.parent)


def discard(directory: Path, trash: Path) -> None:
    """Remove a directory so that it is never seen half removed: it takes the name `trash` first."""
    rename(directory, trash)
    fault_point("discard:renamed")
    shutil.rmtree(trash, ignore_errors=True)


def fsync_directory(path: Path) -> None:
    """Wait until the disk knows the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot, and need not
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
