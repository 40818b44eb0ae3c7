"""Image files, folders and archives that are broken or hostile: refused with the name of the file, and nothing is started or written."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import shutil
import socket
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plugins.suites import pictures
from unified.core.base.errors import UsageError
from unified.plugins.suites.vision.config import VisionOptions
from unified.plugins.suites.vision.files import decode, images
from unified.plugins.suites.vision.readers import folder_sides
from unified.plugins.suites.vision.sources import SOURCES
from unified.plugins.suites.vision.suite import Vision


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNIFIED_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()


def refused(task: str, **options: Any) -> str:
    with pytest.raises(UsageError) as error:
        Vision(task, VisionOptions(download=False, **options)).native()
    return str(error.value)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


# Images ---------------------------------------------------------------------------------------------------------------------------


def png(path: Path, **options: Any) -> None:
    Image.fromarray(noise(64, 64, 3)).save(path, **options)


def cut(path: Path, format: str) -> None:
    png(path, format=format)
    path.write_bytes(path.read_bytes()[:900])


def claims(width: int, height: int) -> Callable[[Path], None]:
    """A PNG whose header claims another size than its pixels have."""

    def write(path: Path) -> None:
        png(path)
        data = bytearray(path.read_bytes())
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        path.write_bytes(data)

    return write


def eps(path: Path) -> None:
    path.write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(/tmp/gs-was-here) (w) file closefile\nshowpage\n%%EOF\n"
    )


def listens(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket is short
        listening.bind(path.name)
        os.chdir(here)


BROKEN: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a picture"),
    "postscript": eps,
    "cut png": lambda path: cut(path, "PNG"),
    "cut jpeg": lambda path: cut(path, "JPEG"),
    "bomb": lambda path: Image.new("1", (20000, 20000)).save(path),
    "claims billions": claims(2**31 - 1, 2**31 - 1),
    "floats": lambda path: Image.fromarray(np.ones((16, 16), np.float32)).save(path, format="TIFF"),
    "dangling link": lambda path: path.symlink_to("/nowhere/x.png"),
    "link to itself": lambda path: path.symlink_to(path),
    "fifo": lambda path: os.mkfifo(path),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "socket": listens,
    "pickle": lambda path: path.write_bytes(pickle.dumps(noise(4, 4))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    pictures.write_folder(tmp_path / "own", {"cat": 3, "dog": 3})
    BROKEN[name](tmp_path / "own/cat/the_broken_one.png")
    said = refused("folder", path=str(tmp_path / "own"), size=16)
    assert "own/cat/the_broken_one.png cannot be read: " in said
    assert "suite.cache" not in said


@pytest.mark.parametrize(("format", "mode"), [("PNG", "P"), ("JPEG", "L"), ("GIF", "P"), ("BMP", "RGB"), ("PPM", "RGB"), ("WEBP", "RGB")])
def test_formats_are_read_whatever_the_name_says(format: str, mode: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (255, 255, 255)).convert(mode).save(tmp_path / "x.png", format=format)
    found = decode(tmp_path / "x.png")
    assert (found.shape, found.dtype, found.min() > 250) == ((6, 8, 3), np.uint8, True)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "x.png")
    assert (decode(tmp_path / "x.png") == 0x80).all()


# Folders --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "train", "test"),
    [
        (("train", "test"), "train", "test"),
        (("train", "val"), "train", "val"),
        (("train", "valid"), "train", "valid"),
        (("Train", "Validation"), "Train", "Validation"),
        (("training", "testing"), "training", "testing"),
        (("train", "val", "test"), "train", "test"),
        (("train",), "train", "train"),
        (("train", "car"), "", ""),
        (("cat", "val"), "", ""),
    ],
)
def test_halves_of_a_data_set_are_no_classes(folders: tuple[str, ...], train: str, test: str, tmp_path: Path) -> None:
    tmp_path = tmp_path / "own"
    for folder in folders:
        pictures.write_folder(tmp_path / folder, {"cat": 1, "dog": 1})
    assert folder_sides(tmp_path) == {"train": tmp_path / train, "test": tmp_path / test}


def test_a_test_folder_without_classes_leaves_the_validation_folder(tmp_path: Path) -> None:
    tmp_path = tmp_path / "own"
    for side in ("train", "val"):
        pictures.write_folder(tmp_path / side, {"cat": 2, "dog": 2})
    (tmp_path / "test").mkdir()
    png(tmp_path / "test/0.png")
    assert folder_sides(tmp_path)["test"] == tmp_path / "val"


def test_hidden_files_and_folders_do_not_count(tmp_path: Path) -> None:
    tmp_path = tmp_path / "own"
    pictures.write_folder(tmp_path, {"cat": 5, "dog": 5})
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        (tmp_path / name).mkdir()
        png(tmp_path / name / "x.png")
    for name in ("._000.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / "cat" / name).write_bytes(b"\0\5\x16\7")
    made = Vision("folder", VisionOptions(path=str(tmp_path)))
    assert (made.spec().classes, len(made.rows("train")) + len(made.rows("test"))) == (("cat", "dog"), 10)


def test_links_are_followed_once(tmp_path: Path) -> None:
    png(tmp_path / "elsewhere.png")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/0.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "cat/again").symlink_to(tmp_path / "cat")
    assert images(tmp_path / "cat") == [tmp_path / "cat/0.png"]


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "own", {"cat": 2, "dog": 2})
    (tmp_path / "own/eel").mkdir()
    assert "own/eel holds no image" in refused("folder", path=str(tmp_path / "own"))


# Headers that lie -----------------------------------------------------------------------------------------------------------------


IDX = "MNIST/raw/train-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not an IDX file"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 30, 28, 28), "says 30 x 28 x 28 bytes, and it has 0"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(100), "and it has 100"),
        (struct.pack(">BBBB3I", 0, 0, 13, 3, 1, 1, 1) + bytes(4), "is not an IDX file"),
        (struct.pack(">BBBB1I", 0, 0, 8, 1, 30) + bytes(30), "is not an IDX file"),
    ],
)
def test_idx_files_whose_header_lies(data: bytes, says: str, tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path / "data", packed=False)
    (tmp_path / "data" / IDX).write_bytes(data)
    said = refused("mnist")
    assert f"{IDX} cannot be read: " in said
    assert says in said


@pytest.mark.parametrize(
    "record",
    [
        {"labels": [0] * 20},
        {"data": [1, 2], "labels": [0, 1]},
        {"data": noise(20, 3072), "labels": [b"cat"] * 20},
        {"data": noise(20, 3072), "labels": [0] * 19},
        {"data": noise(20, 3072), "labels": [10] * 20},
        {"data": noise(20, 3071), "labels": [0] * 20},
    ],
    ids=["no data", "a list", "texts", "too few labels", "no such class", "short rows"],
)
def test_batches_of_another_form_are_named(record: dict[str, Any], tmp_path: Path) -> None:
    pictures.write_cifar10(tmp_path / "data")
    (tmp_path / "data/cifar-10-batches-py/data_batch_3").write_bytes(pictures.record(**record))
    assert "cifar-10-batches-py/data_batch_3 cannot be read: " in refused("cifar10")


@pytest.mark.parametrize(
    ("name", "line"),
    [("list_attr_celeba.txt", "000001.jpg 1 x"), ("list_eval_partition.txt", "../../secret.jpg 0"), ("list_eval_partition.txt", "9.jpg 0")],
)
def test_tables_of_another_form_are_named(name: str, line: str, tmp_path: Path) -> None:
    pictures.write_celeba(tmp_path / "data")
    with (tmp_path / "data/celeba" / name).open("a") as file:
        file.write(f"{line}\n")
    said = refused("celeba")
    assert "celeba/list_" in said
    assert "cannot be read: " in said


# Archives -------------------------------------------------------------------------------------------------------------------------


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


HOSTILE = {
    "..": (member("../outside", size=4), b"evil"),
    "absolute": (member("{there}/outside", size=4), b"evil"),
    "link": (member("cifar-10-batches-py/link", type=tarfile.SYMTYPE, linkname="/etc"), b""),
    "relative link": (member("cifar-10-batches-py/link", type=tarfile.SYMTYPE, linkname="../.."), b""),
    "hard link": (member("cifar-10-batches-py/link", type=tarfile.LNKTYPE, linkname="../../outside"), b""),
    "fifo": (member("cifar-10-batches-py/fifo", type=tarfile.FIFOTYPE), b""),
    "device": (member("cifar-10-batches-py/zero", type=tarfile.CHRTYPE, devmajor=1, devminor=5), b""),
    "bomb": (member("cifar-10-batches-py/zeros", size=5 * 10**6), bytes(5 * 10**6)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_archives_do_not_leave_their_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    (file,) = SOURCES["cifar10"].files
    monkeypatch.setitem(SOURCES, "cifar10", replace(SOURCES["cifar10"], files=(replace(file, size=2000),)))  # type: ignore[arg-type]
    info, content = HOSTILE[name]
    info.name = info.name.format(there=tmp_path)
    with tarfile.open(data / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.addfile(info, io.BytesIO(content))
    said = refused("cifar10")
    assert "cifar-10-python.tar.gz cannot be unpacked: " in said
    assert not (tmp_path / "outside").exists()
    assert [path.name for path in data.iterdir()] == ["cifar-10-python.tar.gz"]


def test_packed_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.write_mnist(tmp_path / "data")
    path = tmp_path / "data" / f"{IDX}.gz"
    path.write_bytes(gzip.compress(bytes(10**6)))
    source = SOURCES["mnist"]
    monkeypatch.setitem(SOURCES, "mnist", replace(source, files=tuple(replace(file, size=5000) for file in source.files)))  # type: ignore[arg-type]
    assert "unpacks to more than 100,000 bytes" in refused("mnist")
    assert not [each for each in path.parent.iterdir() if "unpacking" in each.name]


def test_zip_files_do_not_leave_their_folder(tmp_path: Path) -> None:
    pictures.write_celeba(tmp_path / "data")
    here = tmp_path / "data/celeba"
    shutil.rmtree(here / "img_align_celeba")
    with zipfile.ZipFile(here / "img_align_celeba.zip", "w") as archive:
        archive.writestr("../../outside", b"evil")
        archive.writestr("/absolute/outside", b"evil")
    assert "does not contain img_align_celeba" in refused("celeba")
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_is_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data/cifar-10-python.tar.gz")
    assert "it is not a regular file" in refused("cifar10")
