"""Files of one JSON object a line, appended to and read back, torn last lines included."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class JsonLines:
    """One such file. Every row is one write, so that another process never sees a half one for long."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    @property
    def size(self) -> int:
        """Bytes so far."""
        try:
            return self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def append(self, row: dict[str, Any]) -> None:
        """Write a row at the end; a torn line there is closed first.

        Raises:
            OSError: If the disk is full, say. Nothing of the row is left then.
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
            The number of bytes that were cut off; negative if the file was shorter, and then it is left as it is.
        """
        cut = self.size - size
        if cut > 0:
            os.truncate(self.path, size)
        return cut

    def read(self) -> list[dict[str, Any]]:
        """The rows. Torn lines are left out."""
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
    """NumPy scalars and tensors of one element as numbers, paths as text."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"cannot write {type(value).__name__} to a row: {value!r:.100}")
