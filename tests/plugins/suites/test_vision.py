"""Pictures from files in their true formats, which torchvision's own classes read too."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image

from plugins.suites import pictures
from unified.core.base.errors import UsageError
from unified.core.envs.vector_env import WorkerVectorEnv
from unified.plugins.suites.vision import cache, component
from unified.plugins.suites.vision.config import VisionOptions
from unified.plugins.suites.vision.records import Unreadable, read_record
from unified.plugins.suites.vision.sources import SOURCES
from unified.plugins.suites.vision.suite import Vision
from unified.plugins.suites.vision.tasks import TASKS


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("UNIFIED_DATA", str(tmp_path))


def suite(task: str, **options: Any) -> Vision:
    return Vision(task, VisionOptions(**options))


def refused(task: str, **options: Any) -> str:
    with pytest.raises(UsageError) as error:
        suite(task, **options).native()
    return str(error.value)


# Formats ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("task", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_idx_files(tmp_path: Path, task: str, folder: str, packed: bool) -> None:
    written = pictures.write_mnist(tmp_path, folder, packed)
    made = suite(task)
    for side in ("train", "test"):
        rows = made.rows(side)  # type: ignore[arg-type]
        np.testing.assert_array_equal(rows.inputs[:, 0], written[side][0])
        np.testing.assert_array_equal(rows.targets, written[side][1])
        theirs = getattr(torchvision.datasets, folder)(tmp_path, train=side == "train")
        np.testing.assert_array_equal(theirs.data, written[side][0])
    spec = made.spec()
    scaled = written["train"][0] / 255
    assert (spec.observation.shape, spec.action.n, len(spec.classes)) == ((1, 28, 28), 10, 10)
    np.testing.assert_allclose((spec.mean, spec.std), ([scaled.mean()], [scaled.std()]), rtol=1e-6)
    assert (made.notes() == []) != packed  # the packed files have other sums than the published ones


@pytest.mark.parametrize("packed", [True, False])
def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    written = pictures.write_cifar10(tmp_path, packed)
    made = suite("cifar10")
    for side in ("train", "test"):
        rows = made.rows(side)  # type: ignore[arg-type]
        np.testing.assert_array_equal(rows.inputs, written[side][0].reshape(-1, 3, 32, 32))
        np.testing.assert_array_equal(rows.targets, written[side][1])
    scaled = written["train"][0].reshape(-1, 3, 1024) / 255
    np.testing.assert_allclose(made.spec().mean, scaled.mean((0, 2)), rtol=1e-6)
    np.testing.assert_allclose(made.spec().std, scaled.std((0, 2)), rtol=1e-6)
    assert made.spec().classes == pictures.CIFAR10
    assert "data_batch_1" in made.notes()[0]
    # torchvision's own class reads the same files, where it is told their sums.
    theirs = torchvision.datasets.CIFAR10
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (tmp_path / "cifar-10-batches-py").iterdir()}
    monkeypatch.setattr(theirs, "train_list", [[name, md5[name]] for name, _ in theirs.train_list])
    monkeypatch.setattr(theirs, "test_list", [[name, md5[name]] for name, _ in theirs.test_list])
    monkeypatch.setattr(theirs, "meta", theirs.meta | {"md5": md5["batches.meta"]})
    read = theirs(tmp_path, train=True)
    np.testing.assert_array_equal(read.data.transpose(0, 3, 1, 2), made.rows("train").inputs)
    assert read.targets == made.rows("train").targets.tolist()
    assert tuple(read.classes) == pictures.CIFAR10


def test_cifar100(tmp_path: Path) -> None:
    written = pictures.write_cifar100(tmp_path)
    made = suite("cifar100")
    np.testing.assert_array_equal(made.rows("test").inputs, written["test"][0].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(made.rows("train").targets, written["train"][1])
    assert made.spec().classes[99] == "thing 99"


@pytest.mark.parametrize("packed", [True, False])
def test_celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    smiles = pictures.write_celeba(tmp_path)
    if packed:
        shutil.make_archive(str(tmp_path / "celeba/img_align_celeba"), "zip", tmp_path / "celeba", "img_align_celeba")
        shutil.rmtree(tmp_path / "celeba/img_align_celeba")
    made = suite("celeba")
    assert made.spec().observation.shape == (3, 64, 64)
    assert made.spec().classes == ("not Smiling", "Smiling")
    np.testing.assert_array_equal(made.rows("train").targets, smiles[:7] > 0)
    np.testing.assert_array_equal(made.rows("test").targets, smiles[8:] > 0)
    with Image.open(tmp_path / "celeba/img_align_celeba/000001.jpg") as picture:
        middle = picture.crop((0, 20, 178, 198)).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(made.rows("train").inputs[0].transpose(1, 2, 0), np.asarray(middle))
    monkeypatch.setattr(torchvision.datasets.CelebA, "_check_integrity", lambda self: True)
    theirs = torchvision.datasets.CelebA(tmp_path, split="test")
    assert [int(row[1]) for row in theirs.attr] == made.rows("test").targets.tolist()
    assert "did you mean  Smiling" in refused("celeba", attribute="smiling")


def test_folders(tmp_path: Path) -> None:
    written = pictures.write_folder(tmp_path / "own", {"cat": 10, "dog": 5})
    made = suite("folder", path=str(tmp_path / "own"))
    train, test = made.rows("train"), made.rows("test")
    assert made.spec().observation.shape == (3, 12, 16)
    assert np.bincount(test.targets).tolist() == [2, 1]
    seen = {(label, picture.tobytes()) for rows in (train, test) for picture, label in zip(rows.inputs, rows.targets, strict=True)}
    expected = {(n, picture.transpose(2, 0, 1).tobytes()) for n, name in enumerate(("cat", "dog")) for picture in written[name]}
    assert seen == expected
    assert made.spec().classes == tuple(torchvision.datasets.ImageFolder(str(tmp_path / "own")).classes) == ("cat", "dog")


def test_folders_with_a_test_folder(tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "own/train", {"cat": 3, "dog": 3})
    tested = pictures.write_folder(tmp_path / "own/test", {"dog": 2})
    made = suite("folder", path=str(tmp_path / "own"))
    assert (len(made.rows("train")), made.rows("test").targets.tolist()) == (6, [1, 1])
    np.testing.assert_array_equal(made.rows("test").inputs, tested["dog"].transpose(0, 3, 1, 2))
    pictures.write_folder(tmp_path / "own/test", {"eel": 1})
    assert "has classes that" in refused("folder", path=str(tmp_path / "own"))


def test_what_is_no_folder_of_classes(tmp_path: Path) -> None:
    assert "set suite.path=DIR" in refused("folder")
    assert "PATH/CLASS/*.png" in refused("folder", path=str(tmp_path / "nowhere"))
    pictures.write_folder(tmp_path / "own", {"cat": 2})
    pictures.write_folder(tmp_path / "own", {"dog": 2}, (9, 9))
    said = refused("folder", path=str(tmp_path / "own"))
    assert "several sizes: 12x16 and 9x9" in said
    assert "dog/001.png)    resize them: suite.size=64" in said
    assert "dog/001.png)" in refused("folder", path=str(tmp_path / "own"), classes=["cat", "dog"])
    assert suite("folder", path=str(tmp_path / "own"), size=8).spec().observation.shape == (3, 8, 8)


# Choices ------------------------------------------------------------------------------------------------------------------------


def test_classes_size_and_grey(tmp_path: Path) -> None:
    written = pictures.write_cifar10(tmp_path)
    made = suite("cifar10", classes=["Dog", "3", "0"], size=16, grey=True)
    rows = made.rows("train")
    assert made.spec().classes == ("dog", "cat", "airplane")
    keep = np.isin(written["train"][1], [5, 3, 0])
    np.testing.assert_array_equal(rows.targets, [{5: 0, 3: 1, 0: 2}[label] for label in written["train"][1][keep]])
    first = written["train"][0][keep][0].reshape(3, 32, 32).transpose(1, 2, 0)
    expected = Image.fromarray(first).convert("L").resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(rows.inputs[0, 0], np.asarray(expected))
    assert "did you mean  dog" in refused("cifar10", classes=["doog", "cat"])
    assert "two different classes" in refused("cifar10", classes=["dog", "5"])
    assert "there is no class '10'" in refused("cifar10", classes=["10", "1"])


def test_generation_and_one_step(tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path)
    assert suite("mnist", task_type="generate").rows("train").targets.shape == (30, 1, 28, 28)
    with WorkerVectorEnv(suite("mnist"), 2, seed=1) as vector:
        assert vector.placement == "inline"
        assert vector.reset().shape == (2, 1, 28, 28)


def test_paths_mean_the_same_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert VisionOptions(path="own", root="~/x").path == str(tmp_path / "own")
    assert VisionOptions(root="~/x").root == str(Path.home() / "x")


# The cache ----------------------------------------------------------------------------------------------------------------------


def arrays(root: Path) -> list[Path]:
    return sorted((root / "arrays").iterdir())


def test_later_starts_map_what_was_kept_and_import_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.write_mnist(tmp_path)
    first = suite("mnist")
    first.native()
    monkeypatch.setattr("unified.plugins.suites.vision.suite.read", lambda *_: pytest.fail("read again"))
    again = suite("mnist")
    assert again.spec() == first.spec()
    for side in ("train", "test"):
        np.testing.assert_array_equal(again.rows(side).inputs, first.rows(side).inputs)  # type: ignore[arg-type]
    inputs = again.rows("train").inputs
    assert isinstance(inputs.base, np.memmap)
    assert not inputs.flags.writeable
    program = """
import sys
from unified.plugins.suites.vision.suite import Vision
from unified.plugins.suites.vision.config import VisionOptions
Vision("mnist", VisionOptions()).environment().reset(1)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"UNIFIED_DATA": str(tmp_path)})


def test_other_files_and_other_options_are_other_arrays(tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "own", {"cat": 4, "dog": 4})
    path = str(tmp_path / "own")
    suite("folder", path=path).native()
    suite("folder", path=path, grey=True).native()
    suite("folder", path=path, task_type="generate").native()  # the same pictures
    assert len(arrays(tmp_path)) == 2
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(tmp_path / "own/cat/new.png")
    made = suite("folder", path=path)
    assert len(made.rows("train")) + len(made.rows("test")) == 9
    assert len(arrays(tmp_path)) == 3


def test_damaged_arrays_are_made_again(tmp_path: Path) -> None:
    written = pictures.write_mnist(tmp_path)
    suite("mnist").native()
    (directory,) = arrays(tmp_path)
    assert cache.find(directory) is not None
    meta = json.loads((directory / "meta.json").read_text())
    assert meta["files"]["train.npy"]["sha256"] == hashlib.sha256((directory / "train.npy").read_bytes()).hexdigest()
    data = bytearray((directory / "train.npy").read_bytes())
    data[-1] ^= 1
    (directory / "train.npy").write_bytes(data)
    assert cache.find(directory) is None
    np.testing.assert_array_equal(suite("mnist").rows("train").inputs[:, 0], written["train"][0])
    (directory / "meta.json").write_text("{")
    assert len(suite("mnist").rows("test")) == 20
    assert arrays(tmp_path) == [directory]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path)
    (tmp_path / "file").write_text("")
    assert "elsewhere: suite.cache=DIR" in refused("mnist", cache=str(tmp_path / "file"))


# Files that are not there, or damaged -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [task for task in TASKS if task != "folder"])
def test_what_is_missing_is_told(tmp_path: Path, task: str) -> None:
    said = refused(task)
    assert said.startswith(f"vision:{task} needs files that are missing and cannot be downloaded: ")
    assert "--suite digits" in said
    for file in SOURCES[task].files:
        assert f"{file.name}    {file.size:,} bytes, md5 {file.md5}" in said
    assert str(tmp_path / SOURCES[task].folder) in said
    assert "cannot be downloaded: suite.download=false" in refused(task, download=False)


def test_only_what_is_missing_is_told(tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path)
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    said = refused("mnist", download=False)
    assert "t10k-labels" in said
    assert "train-labels" not in said


def test_sums_are_torchvisions() -> None:
    for task in ("mnist", "fashion_mnist"):
        theirs = dict(getattr(torchvision.datasets, SOURCES[task].torchvision).resources)
        assert theirs == {file.name: file.md5 for file in SOURCES[task].files}
    for task in ("cifar10", "cifar100"):
        theirs = getattr(torchvision.datasets, SOURCES[task].torchvision)
        (file,) = SOURCES[task].files
        assert (file.name, file.md5) == (theirs.filename, theirs.tgz_md5)
        said = [*theirs.train_list, *theirs.test_list, (theirs.meta["filename"], theirs.meta["md5"])]
        assert dict(SOURCES[task].inner) == {f"{theirs.base_folder}/{name}": md5 for name, md5 in said}
    assert {file.name: file.md5 for file in SOURCES["celeba"].files} == {
        name: md5 for _, md5, name in torchvision.datasets.CelebA.file_list
    }


def test_damaged_files_are_named(tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path)
    path = tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    said = refused("mnist")
    assert "train-images-idx3-ubyte.gz cannot be unpacked" in said
    assert "1,000 bytes" in said
    assert "published: 9,912,422 bytes" in said
    assert not (tmp_path / "MNIST/raw/train-images-idx3-ubyte").exists()


def test_labels_that_are_none(tmp_path: Path) -> None:
    pictures.write_mnist(tmp_path, packed=False)
    (tmp_path / "MNIST/raw/train-labels-idx1-ubyte").write_bytes(pictures.idx(np.full(30, 10, np.uint8)))
    assert "labels from 10 to 10 of 10 classes" in refused("mnist")
    (tmp_path / "MNIST/raw/train-labels-idx1-ubyte").write_bytes(pictures.idx(np.zeros(29, np.uint8)))
    assert "30 pictures and 29 labels" in refused("mnist")


def test_pickles_of_an_old_torchvision_are_left_aside(tmp_path: Path) -> None:
    written = pictures.write_mnist(tmp_path)
    (tmp_path / "MNIST/processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (tmp_path / "MNIST/processed" / name).write_bytes(b"whoever loads this is lost")
    np.testing.assert_array_equal(suite("mnist").rows("train").inputs[:, 0], written["train"][0])


# Records ------------------------------------------------------------------------------------------------------------------------


class Hostile:
    def __reduce__(self) -> Any:
        return os.mkdir, ("/tmp/a-record-was-run",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_records_of_every_protocol(protocol: int) -> None:
    said = {"labels": [0, 255, 256, 70000, -1], "names": ["a", "ä"], "data": np.arange(12, dtype=np.uint8).reshape(3, 4), "none": None}
    if protocol < 2:
        del said["data"]  # numpy writes these through copyreg
    read = read_record(pickle.dumps(said, protocol))
    assert set(read) == set(said)
    for key, value in said.items():
        np.testing.assert_array_equal(read[key], value)


def test_records_of_python_2() -> None:
    data, expected, labels = pictures.batch(3, 300)
    read = read_record(data)
    theirs = pickle.loads(data, encoding="latin1")
    assert read["data"].dtype == np.uint8
    np.testing.assert_array_equal(read["data"], expected)
    np.testing.assert_array_equal(theirs["data"], expected)
    assert read["labels"] == theirs["labels"] == labels
    assert read["filenames"] == theirs["filenames"]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_what_a_hostile_record_says_is_not_done(protocol: int, tmp_path: Path) -> None:
    for said in ({"data": Hostile()}, {"labels": [Hostile()]}, Hostile()):
        with pytest.raises(Unreadable, match="not allowed"):
            read_record(pickle.dumps(said, protocol))
    assert not Path("/tmp/a-record-was-run").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy\nndarray\n(K\x01tR.",
        pickle.dumps({"data": np.array([object()])}, 4),
        pickle.dumps({"data": np.array(["text"])}, 4),
        pickle.dumps({"data": np.arange(3.0)}, 4),
        pickle.dumps([1, 2], 4),
        pickle.dumps({"labels": {1, 2}}, 4),
        pickle.dumps({"data": np.arange(9, dtype=np.uint8)}, 4)[:-5],
        b"\x80\x02}q\x01(U\x01a.",
        b"not a record",
    ],
)
def test_other_records_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_record(data)


def test_a_hostile_batch_is_named(tmp_path: Path) -> None:
    pictures.write_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_3").write_bytes(pickle.dumps({"data": Hostile()}, 2))
    said = refused("cifar10")
    assert "data_batch_3" in said
    assert "mkdir, which is not allowed" in said


# The component ------------------------------------------------------------------------------------------------------------------


def test_listing_imports_nothing_heavy() -> None:
    program = """
import sys
from unified.plugins.suites import vision
assert "mnist" in vision.component.load_tasks()
vision.component.options_model()
assert not {"numpy", "torch", "torchvision", "PIL"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert component.load() is Vision
