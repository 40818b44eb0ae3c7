"""File operations that survive a crash: a file or a directory is either complete or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


class Written(NamedTuple):
    """Size of a file in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


def write_bytes(path: Path, data: bytes | Iterable[Any]) -> Written:
    """Write a file and wait until the disk has it. Not atomic by itself: write under a temporary name, then rename.

    Args:
        path: The file; an existing one is overwritten.
        data: Bytes, or buffers in order.
    """
    sha256, size = hashlib.sha256(), 0
    buffers: Iterable[Any] = [data] if isinstance(data, bytes) else data
    with path.open("wb") as file:
        for buffer in buffers:
            file.write(buffer)
            sha256.update(buffer)
            size += memoryview(buffer).nbytes
        file.flush()
        os.fsync(file.fileno())
    return Written(size, sha256.hexdigest())


def replace(path: Path, data: bytes | Iterable[Any]) -> Written:
    """Replace the content of a file atomically: after a crash it has the old content or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        written = write_bytes(temporary, data)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    return written


def rename(source: Path, target: Path) -> None:
    """Rename a file or directory and wait until the disk has the new name."""
    source.rename(target)
    sync_directory(target.parent)


def discard(directory: Path, trash: Path) -> None:
    """Remove a directory. It is renamed to `trash` first, so that no reader finds it half removed."""
    rename(directory, trash)
    shutil.rmtree(trash, ignore_errors=True)


def digest(path: Path, sync: bool = False) -> Written:
    """Size and SHA-256 of a file.

    Args:
        path: The file, read in pieces.
        sync: Wait until the disk has its content.
    """
    sha256, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            size += len(chunk)
    return Written(size, sha256.hexdigest())


def read_limited(path: Path, largest: int) -> bytes:
    """The content of a regular file. A FIFO or a device is never waited for.

    Args:
        path: The file.
        largest: Number of bytes that it may have.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no regular file, or larger.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no regular file")
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest:,} bytes")
    return content


def sync_directory(path: Path) -> None:
    """Wait until the disk has the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot synchronise a directory, and need not
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
