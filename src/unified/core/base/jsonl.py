"""Files with one JSON object per line, appended row by row and tolerant of a torn last line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unified.core.base.files import LIMIT, naming, open_file, parse_json, read_file

#: Bytes at the end of a file that are read first for its newest rows.
BLOCK = 1 << 13


class JsonLines:
    """A file with one JSON object per line. Each row is one write, so that other processes do not read half a row.

    Attributes:
        damaged: Number of lines that the last `read` left out, torn lines at the end not counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self._file: int | None = None
        self._sha256, self._hashed = hashlib.sha256(), 0  # checksum of the first bytes, and their number

    @property
    def size(self) -> int:
        """Size in bytes."""
        try:
            return self.path.lstat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def append(self, row: dict[str, Any]) -> None:
        """Append a row; a torn last line is terminated first.

        Raises:
            OSError: If the row cannot be written, on a full disk for example. No part of it remains in the file.
        """
        data = (json.dumps(row, default=plain) + "\n").encode()
        with naming(self.path):
            if self._file is None:
                self._file = open_file(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
                if not self._ends_whole():
                    data = b"\n" + data
            before = os.fstat(self._file).st_size
            try:
                written, rest = data, data
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                with contextlib.suppress(OSError):  # the next reader leaves out the torn line
                    os.ftruncate(self._file, before)
                raise
            if self._hashed == before:
                self._sha256.update(written)
                self._hashed += len(written)

    def sync(self) -> None:
        """Wait until the disk has every row."""
        if self._file is not None:
            with naming(self.path):
                os.fsync(self._file)

    def sha256(self, size: int) -> str:
        """Checksum of the first `size` bytes, in hexadecimal; only bytes that are new since the last call are read."""
        if self._hashed > size:
            self._sha256, self._hashed = hashlib.sha256(), 0
        if self._hashed < size:
            with naming(self.path), open(open_file(self.path), "rb") as file:
                file.seek(self._hashed)
                while self._hashed < size and (data := file.read(min(1 << 20, size - self._hashed))):
                    self._sha256.update(data)
                    self._hashed += len(data)
        return self._sha256.hexdigest()

    def truncate(self, size: int) -> int:
        """Cut the file to `size` bytes.

        Returns:
            The number of bytes removed; negative if the file was shorter, which leaves it unchanged.
        """
        cut = self.size - size
        if cut > 0:
            if self._hashed > size:
                self._sha256, self._hashed = hashlib.sha256(), 0
            descriptor = open_file(self.path, os.O_WRONLY)
            try:
                with naming(self.path):
                    os.ftruncate(descriptor, size)
            finally:
                os.close(descriptor)
        return cut

    def read(self) -> list[dict[str, Any]]:
        """All rows, without torn or damaged lines.

        Raises:
            OSError: If something else than a file has its name, or if it cannot be read.
        """
        rows, self.damaged = [], 0
        try:
            text = read_file(self.path, LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            return []
        lines = text.split(b"\n")
        for number, line in enumerate(lines, 1):
            row = _row(line)
            if row is not None:
                rows.append(row)
            elif line and number < len(lines):
                self.damaged += 1
        return rows

    def newest_first(self, having: bytes = b"") -> Iterator[dict[str, Any]]:
        """The rows of `read` from the newest to the oldest; the file is read from its end as far as rows are asked for.

        Args:
            having: Regular expression; lines without a match are skipped and not parsed.

        Raises:
            OSError: As `read`.
        """
        try:
            descriptor = open_file(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        matches, rest, block = re.compile(having).search, b"", BLOCK
        with naming(self.path), open(descriptor, "rb", buffering=0) as file:
            end = os.fstat(descriptor).st_size
            while end:
                start = max(0, end - block)
                file.seek(start)
                rest, *lines = (file.read(end - start) + rest).split(b"\n")
                for line in reversed(lines if start else [rest, *lines]):
                    if matches(line) and (row := _row(line)) is not None:
                        yield row
                end, block = start, 4 * block

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _ends_whole(self) -> bool:
        assert self._file is not None
        size = os.fstat(self._file).st_size
        return size == 0 or os.pread(self._file, 1, size - 1) == b"\n"


def _row(line: bytes) -> dict[str, Any] | None:
    """The row of a line; ``None`` if it is empty, torn or damaged."""
    try:
        row = parse_json(line) if line else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def plain(value: Any) -> Any:
    """Convert NumPy scalars and tensors with one element to numbers, and paths to text."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"cannot write {type(value).__name__} to a row: {value!r:.100}")
