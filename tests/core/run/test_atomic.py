from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from unified.core import atomic


def test_write_bytes_reports_what_it_wrote(tmp_path: Path) -> None:
    written = atomic.write_bytes(tmp_path / "a", [b"one", memoryview(b"two"), b""])
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert written == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert atomic.write_bytes(tmp_path / "b", []) == (0, hashlib.sha256().hexdigest())


def test_replace_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    atomic.replace(path, b"old")
    atomic.replace(path, b"new")
    assert path.read_bytes() == b"new"

    def full(name: str) -> None:
        raise atomic.no_space()

    monkeypatch.setattr(atomic, "fault_hook", full)
    with pytest.raises(OSError, match="No space"):
        atomic.replace(path, b"newer")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("point", ["config.json:writing", "config.json:before_rename"])
def test_replace_survives_a_kill(tmp_path: Path, point: str, die_at: Callable[[str, Callable[[], object]], int]) -> None:
    path = tmp_path / "config.json"
    atomic.replace(path, b"old")
    assert die_at(point, lambda: atomic.replace(path, b"new")) == signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_fault_points_count_their_passings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_passed", type(atomic._passed)())
    monkeypatch.setenv("UNIFIED_FAULT", "save:before@3:full")
    for _ in range(2):
        atomic.fault_point("save:before")
        atomic.fault_point("save:after")
    with pytest.raises(OSError, match="No space"):
        atomic.fault_point("save:before")
    atomic.fault_point("save:before")


def test_discard_is_never_seen_half_done(tmp_path: Path, die_at: Callable[[str, Callable[[], object]], int]) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "file").write_bytes(b"x")
    assert die_at("discard:renamed", lambda: atomic.discard(old, tmp_path / "trash")) == signal.SIGKILL
    assert os.listdir(tmp_path) == ["trash"]
    assert (tmp_path / "trash" / "file").exists()
