from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from faults import injected
from unified.core.base import files
from unified.core.base.errors import StorageError
from unified.core.base.jsonl import JsonLines
from unified.core.runs.lock import RunLock


def test_write_bytes_reports_what_it_wrote(tmp_path: Path) -> None:
    written = files.write_bytes(tmp_path / "a", [b"one", memoryview(b"two"), b""])
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert written == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert files.digest(tmp_path / "a") == written
    assert files.write_bytes(tmp_path / "b", []) == (0, hashlib.sha256().hexdigest())
    assert files.digest(tmp_path / "b", sync=True) == (0, hashlib.sha256().hexdigest())


def test_reading_a_file_allocates_its_size_and_not_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert len(files.read_file(tmp_path / "a")) == 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_link_is_read_only_where_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert files.read_file(tmp_path / "link", follow=True) == b"x"
    with pytest.raises(OSError, match="is a link"):
        files.read_file(tmp_path / "link")


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


def put(path: Path, kind: str) -> None:
    """Something else than a file at this path."""
    outside = path.with_name("outside")
    outside.write_bytes(b"precious")
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"link": outside, "dangling": path.with_name("none"), "device": Path("/dev/zero"), "loop": path}[kind])


KINDS = ("directory", "pipe", "link", "dangling", "device", "loop")
USES: dict[str, Callable[[Path], object]] = {
    "read_file": files.read_file,
    "read_json": files.read_json,
    "digest": files.digest,
    "write_bytes": lambda path: files.write_bytes(path, b"x"),
    "append": lambda path: JsonLines(path).append({}),
    "read rows": lambda path: JsonLines(path).read(),
    "truncate": lambda path: JsonLines(path).truncate(-1),
    "lock": lambda path: RunLock(path).acquire(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES)
def test_only_ordinary_files_are_opened(tmp_path: Path, use: str, kind: str) -> None:
    path = tmp_path / "file"
    put(path, kind)
    with pytest.raises(OSError, match=r"is a (directory|pipe|link) and not an ordinary file") as caught:
        USES[use](path)
    assert caught.value.filename == str(path)
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert not (tmp_path / "none").exists()
    assert RunLock(path).owner() is None


def test_a_child_process_inherits_no_file(tmp_path: Path) -> None:
    descriptor = files.open_file(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_a_new_file_has_the_rights_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_names_of_new_directories_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[str] = []
    injected.install(lambda event, path: synchronised.append(path) if event == "fsync" else None, monkeypatch.setattr)
    files.make_directory(tmp_path / "a" / "b")
    assert synchronised == [str(tmp_path), str(tmp_path / "a")]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        files.make_directory(tmp_path / "file")


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (1, int),
        ({"a": [1, 2], "more": None}, {"a": [int]}),
        ({"x": {"n": 1}, "y": {"n": 2}}, {str: {"n": int}}),
        ([[0, "a"]], [(int, str)]),
        ({}, {str: int}),
    ],
)
def test_plain_data_of_a_shape(value: object, shape: object) -> None:
    assert files.conform(value, shape) is value


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (True, int, "it is True and not a whole number"),
        (2**63, int, "not a whole number"),
        (1.5, int, "it is 1.5 and not a whole number"),
        ({"a": [1, "x"]}, {"a": [int]}, r"a\[1\] is 'x' and not a whole number"),
        ({"a": {}}, {"a": {"b": str}}, "a has no 'b'"),
        ([], {}, "it is \\[\\] and not an object"),
        ([[0]], [(int, int)], r"\[0\] is \[0\] and not a list of 2"),
        ("x" * 1000, [str], "and not a list$"),
    ],
)
def test_plain_data_of_another_shape(value: object, shape: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        files.conform(value, shape)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("depth", [None, 50])
def test_deep_json_is_an_error_of_its_value(depth: int | None) -> None:
    with pytest.raises(ValueError, match="nested"):
        files.parse_json(b"[" * 100_000 + b"]" * 100_000, depth)
    assert files.parse_json(b"[" * 40 + b"]" * 40, depth)


def test_an_error_of_the_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none: No such file or directory {4}what to do") as caught, files.storage_errors("what to do"):
        files.read_file(tmp_path / "none")
    assert caught.value.exit_code == 2
    with pytest.raises(BrokenPipeError), files.storage_errors("what to do"):
        raise BrokenPipeError
