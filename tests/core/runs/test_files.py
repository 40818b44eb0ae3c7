from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from faults import injected
from unified.core.base import files


def test_write_bytes_reports_what_it_wrote(tmp_path: Path) -> None:
    written = files.write_bytes(tmp_path / "a", [b"one", memoryview(b"two"), b""])
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert written == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert files.digest(tmp_path / "a") == written
    assert files.write_bytes(tmp_path / "b", []) == (0, hashlib.sha256().hexdigest())
    assert files.digest(tmp_path / "b", sync=True) == (0, hashlib.sha256().hexdigest())


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_replace_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    path = tmp_path / "config.json"
    files.replace(path, b"old")
    files.replace(path, b"new")
    assert path.read_bytes() == b"new"

    def full(event: str, path: str) -> None:
        if event == operation:
            raise injected.full()

    injected.install(full, monkeypatch.setattr)
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"newer")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("torn", [False, True], ids=["killed", "torn"])
def test_replace_survives_a_kill(tmp_path: Path, torn: bool, die_before: Callable[..., bool]) -> None:
    path, found = tmp_path / "config.json", []
    for number in itertools.count(1):
        files.replace(path, b"old")
        died = die_before(number, lambda: files.replace(path, b"new"), torn)
        found.append(path.read_bytes())
        if not died:
            break
    assert found == ([b"old", b"new"] if torn else [b"old", b"old", b"new", b"new"])


def test_discard_is_never_seen_half_done(tmp_path: Path, die_before: Callable[..., bool]) -> None:
    for number in itertools.count(1):
        old, trash = tmp_path / f"old{number}", tmp_path / f"trash{number}"
        old.mkdir()
        (old / "file").write_bytes(b"x")
        died = die_before(number, lambda old=old, trash=trash: files.discard(old, trash))
        assert not old.exists() or (old / "file").exists()
        if not died:
            break
    assert number > 3
    assert not old.exists()
    assert not trash.exists()


@pytest.mark.parametrize(("number", "tolerated"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_synchronise_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, tolerated: bool
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if tolerated:
        files.replace(tmp_path / "file", b"content")
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            files.replace(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
