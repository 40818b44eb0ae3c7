"""What environments print: the newest part of it, in a file of the run."""

from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from unified.core.base.files import open_file

#: Bytes of a log, at most.
LIMIT = 1_000_000

_lock = threading.Lock()


class OutputLog:
    """A file with the newest output of environments, at most `LIMIT` bytes of it. The first output creates it.

    Where it cannot be written the output is lost, and the run continues.

    Args:
        path: The file; ``None`` keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def write(self, data: bytes) -> None:
        """Append output; beyond `LIMIT` the older half of the file is removed."""
        if self.path is None or not data:
            return
        with suppress(OSError), _lock:
            file = open_file(self.path, os.O_RDWR | os.O_CREAT)
            try:
                end = os.fstat(file).st_size
                if end + len(data) > LIMIT:
                    data = (os.pread(file, LIMIT // 2, max(0, end - LIMIT // 2)) + data)[-LIMIT // 2 :]
                    os.ftruncate(file, 0)
                    end = 0
                os.pwrite(file, data, end)
            finally:
                os.close(file)


class LogStream(io.TextIOWrapper):
    """`sys.stdout` and `sys.stderr` of environments in this process; closing it has no effect.

    Args:
        log: Receives what is printed.
    """

    def __init__(self, log: OutputLog) -> None:
        super().__init__(_Raw(log), "utf-8", "backslashreplace", write_through=True)  # type: ignore[arg-type]

    def close(self) -> None:
        self.flush()


class _Raw(io.RawIOBase):
    def __init__(self, log: OutputLog) -> None:
        self._log = log

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._log.write(content)
        return len(content)

    def close(self) -> None:
        pass
