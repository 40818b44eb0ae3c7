"""Files with one JSON object per line, appended row by row and tolerant of a torn last line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class JsonLines:
    """A file with one JSON object per line. Each row is one write, so that other processes do not read half a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def size(self) -> int:
        """Size in bytes."""
        try:
            return self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def append(self, row: dict[str, Any]) -> None:
        """Append a row; a torn last line is terminated first.

        Raises:
            OSError: If the row cannot be written, on a full disk for example. No part of it remains in the file.
        """
        data = (json.dumps(row, default=plain) + "\n").encode()
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if not self._ends_whole():
                data = b"\n" + data
        before = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def sync(self) -> None:
        """Wait until the disk has every row."""
        if self._file is not None:
            os.fsync(self._file)

    def truncate(self, size: int) -> int:
        """Cut the file to `size` bytes.

        Returns:
            The number of bytes removed; negative if the file was shorter, which leaves it unchanged.
        """
        cut = self.size - size
        if cut > 0:
            os.truncate(self.path, size)
        return cut

    def read(self) -> list[dict[str, Any]]:
        """All rows, without torn lines."""
        rows = []
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        for line in text.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
        return rows

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _ends_whole(self) -> bool:
        assert self._file is not None
        size = os.fstat(self._file).st_size
        return size == 0 or os.pread(self._file, 1, size - 1) == b"\n"


def plain(value: Any) -> Any:
    """Convert NumPy scalars and tensors with one element to numbers, and paths to text."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"cannot write {type(value).__name__} to a row: {value!r:.100}")
