"""File operations that survive a crash: a file or a directory is either complete or absent.

Every file of a run is opened by `open_file`, which follows no link and waits for no pipe, and its JSON is read by `read_json`. Errors of
the file system are `OSError` with the name of the file, which `storage_errors` turns into one sentence.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from unified.core.base.errors import Problem, StorageError

#: Most bytes of a file that is read as a whole.
LIMIT = 1 << 31
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_KINDS = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


class Written(NamedTuple):
    """Size of a file in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of a file to errors of operations on its descriptor."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


@contextlib.contextmanager
def storage_errors(hint: str) -> Iterator[None]:
    """Turn errors of the file system into one sentence with the file and the reason.

    Args:
        hint: What to do then.

    Raises:
        StorageError: Instead of an `OSError`. Errors of connections pass, as does a closed pipe of the terminal.
    """
    try:
        yield
    except (ConnectionError, TimeoutError, ChildProcessError):
        raise
    except OSError as error:
        raise StorageError(Problem(reason(error), hint)) from error


def reason(error: OSError) -> str:
    """The file and the reason of an error: ``runs/…/metrics.jsonl: No space left on device``."""
    text = error.strerror or str(error)
    return text if error.filename is None else f"{os.fsdecode(error.filename)}: {text}"


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open an ordinary file, or create it; returns its descriptor, which child processes do not inherit.

    Raises:
        OSError: If it is a link, a pipe, a device or a directory, besides the usual reasons.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError:
        mode = stat.S_IFREG
        with contextlib.suppress(OSError):
            mode = os.lstat(path).st_mode
        _check_kind(path, mode)
        raise
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise OSError(errno.EINVAL, f"is {kind} and not an ordinary file; move it away", os.fspath(path))


def read_file(path: Path, limit: int = LIMIT, follow: bool = False) -> bytes:
    """The content of an ordinary file.

    Args:
        path: The file.
        limit: Most bytes.
        follow: Whether the path may be a link to an ordinary file.

    Raises:
        OSError: If it cannot be read or has more than `limit` bytes.
    """
    with naming(path), open(open_file(Path(os.path.realpath(path)) if follow else path), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > limit:
            raise OSError(errno.EFBIG, f"has {size:,} bytes, more than {limit:,}")
        return file.read(size)  # not `limit`, of which Python would allocate every byte


def parse_json(data: bytes, depth: int | None = None) -> Any:
    """The value of a JSON text.

    Args:
        data: The text in UTF-8.
        depth: Most objects and lists within one another; by default as many as Python can read.

    Raises:
        ValueError: If it is none, or is nested too deeply.
    """
    if depth is not None:
        levels = accumulate(1 if byte in b"[{" else -1 for byte in data.translate(None, _NO_BRACKETS))
        if any(level > depth for level in levels):
            raise ValueError(f"it is nested more than {depth} levels deep")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path, shape: Any = object, limit: int = LIMIT) -> Any:
    """The value of a JSON file.

    Args:
        path: The file.
        shape: See `conform`.
        limit: Most bytes.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON, or has another shape.
    """
    return conform(parse_json(read_file(path, limit)), shape)


def conform(value: Any, shape: Any, where: str = "") -> Any:
    """Check the types within plain data, and return the data.

    Args:
        value: Plain data.
        shape: A type; ``[shape]`` for a list; ``(shape, …)`` for a list of this length; ``{str: shape}`` for an object with any keys, and
            ``{"key": shape, …}`` for one with at least these keys. An `int` has 64 bits.
        where: Place of the value, for the error.

    Raises:
        ValueError: If something has another type, with its place.
    """
    kind: type[Any] = shape if isinstance(shape, type) else list if isinstance(shape, tuple) else type(shape)
    fits = isinstance(value, kind) and (kind is not int or (not isinstance(value, bool) and -(2**63) <= value < 2**63))
    if not fits or (isinstance(shape, tuple) and len(value) != len(shape)):
        raise ValueError(f"{where or 'it'} is {value!r:.60} and not {_described(shape)}")
    if isinstance(shape, dict):
        for key, each in shape.items() if str not in shape else ((key, shape[str]) for key in value):
            if key not in value:
                raise ValueError(f"{where or 'it'} has no {key!r}")
            conform(value[key], each, f"{where}.{key}".lstrip("."))
    elif isinstance(shape, list | tuple):
        for index, item in enumerate(value):
            conform(item, shape[index] if isinstance(shape, tuple) else shape[0], f"{where}[{index}]")
    return value


def has_shape(value: Any, shape: Any) -> bool:
    """Whether plain data has a shape of `conform`."""
    try:
        conform(value, shape)
    except ValueError:
        return False
    return True


def _described(shape: Any) -> str:
    if isinstance(shape, type):
        return {int: "a whole number", str: "a text", bool: "true or false"}.get(shape, shape.__name__)
    return "an object" if isinstance(shape, dict) else f"a list of {len(shape)}" if isinstance(shape, tuple) else "a list"


def write_bytes(path: Path, data: bytes | Iterable[Any]) -> Written:
    """Write a file and wait until the disk has it. Not atomic by itself: write under a temporary name, then rename.

    Args:
        path: The file; an existing one is overwritten.
        data: Bytes, or buffers in order.
    """
    sha256, size = hashlib.sha256(), 0
    buffers: Iterable[Any] = [data] if isinstance(data, bytes) else data
    with naming(path), open(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
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


def make_directory(path: Path) -> None:
    """Create a directory and its parents where they are missing, and wait until the disk has their names."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


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
    with naming(path), open(open_file(path), "rb") as file:
        if sync:
            os.fsync(file.fileno())
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            size += len(chunk)
    return Written(size, sha256.hexdigest())


def sync_directory(path: Path) -> None:
    """Wait until the disk has the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with naming(path):
            os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot synchronise a directory, and need not
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
