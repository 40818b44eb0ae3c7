from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unified.core.base.errors import UnifiedError
from unified.core.runs.lock import RunLock

HOLD = """
import sys
from pathlib import Path
from unified.core.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_owner_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with RunLock(path) as lock:
        assert lock.held
        owner = RunLock(path).owner()
        assert owner is not None
        assert owner["pid"] == os.getpid()
        with pytest.raises(UnifiedError, match=rf"process {os.getpid()} on .* \(this one\), since 20"):
            RunLock(path).acquire()
    assert not lock.held
    assert lock.owner() is None
    with RunLock(path):
        pass


def test_another_process_is_named_and_takes_its_lock_along(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    process = holder(path)
    try:
        with pytest.raises(UnifiedError) as caught:
            RunLock(path).acquire()
        assert f"process {process.pid} on" in str(caught.value)
        assert f"kill {process.pid}" in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    finally:
        process.kill()
        process.communicate()
    assert json.loads(path.read_text())["pid"] == process.pid  # what it wrote is still there, and means nothing
    assert RunLock(path).owner() is None
    with RunLock(path) as lock:
        assert lock.held


def test_looking_does_not_take(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    assert RunLock(path).owner() is None
    assert not path.exists()


def test_a_file_system_without_locks_is_said_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with RunLock(tmp_path / "run.lock") as lock:
        assert lock.held
        assert not lock.supported


def test_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with RunLock(path):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        with RunLock(path) as lock:
            assert lock.held
    finally:
        child.communicate()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    lock = RunLock(path)
    lock.acquire()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"1" if not lock.held else b"0")
        time.sleep(60)
        os._exit(0)
    try:
        assert os.read(reader, 1) == b"1"
        assert lock.held
        lock.forget()  # as the end of this process does
        with RunLock(path) as other:
            assert other.held
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_the_lock_of_a_removed_file_locks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run" / "run.lock"
    one, other = RunLock(path), RunLock(path)
    one.acquire()
    (tmp_path / "run").rename(tmp_path / "moved")
    assert not one.held
    assert one.place == tmp_path / "moved"
    other.acquire()
    assert other.held
    assert not one.held
    one.release()
    assert other.held
