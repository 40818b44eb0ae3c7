"""Small data sets of pictures in their true formats, written byte by byte."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def random_pictures(seed: int, count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in MNIST's format: a magic number, the big-endian sizes, the bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, folder: str = "MNIST", packed: bool = True) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    here = root / folder / "raw"
    here.mkdir(parents=True)
    sides = {}
    for number, (side, word, count) in enumerate((("train", "train", 30), ("test", "t10k", 20))):
        pictures, labels = random_pictures(number, count, 28, 28), (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{word}-images-idx3-ubyte", pictures), (f"{word}-labels-idx1-ubyte", labels)):
            data = idx(array)
            (here / f"{name}.gz").write_bytes(gzip.compress(data)) if packed else (here / name).write_bytes(data)
        sides[side] = pictures, labels
    return sides


class Python2:
    """Writes pickles as Python 2 with numpy 1 did, protocol 2: CIFAR's files begin and end with these opcodes."""

    def __init__(self) -> None:
        self.out = io.BytesIO(b"\x80\x02")
        self.out.seek(0, 2)
        self.puts = 0

    def put(self) -> None:
        self.puts += 1
        self.out.write(b"q" + bytes([self.puts]) if self.puts < 256 else b"r" + struct.pack("<I", self.puts))

    def text(self, said: bytes) -> None:
        self.out.write(b"U" + bytes([len(said)]) + said if len(said) < 256 else b"T" + struct.pack("<I", len(said)) + said)
        self.put()

    def number(self, said: int) -> None:
        self.out.write(b"K" + bytes([said]) if said < 256 else b"M" + struct.pack("<H", said))

    def value(self, said: Any) -> None:
        if isinstance(said, bytes):
            self.text(said)
        elif isinstance(said, int):
            self.number(said)
        elif isinstance(said, list):
            self.out.write(b"]")
            self.put()
            self.out.write(b"(")
            for item in said:
                self.value(item)
            self.out.write(b"e")
        else:
            self.array(said)

    def array(self, said: np.ndarray) -> None:
        self.out.write(b"cnumpy.core.multiarray\n_reconstruct\n")
        self.put()
        self.out.write(b"cnumpy\nndarray\n")
        self.put()
        self.out.write(b"K\x00\x85")
        self.put()
        self.text(b"b")
        self.out.write(b"\x87")
        self.put()
        self.out.write(b"R")
        self.put()
        self.out.write(b"(K\x01")
        for size in said.shape:
            self.number(size)
        self.out.write(b"\x86")
        self.put()
        self.out.write(b"cnumpy\ndtype\n")
        self.put()
        self.text(b"u1")
        self.out.write(b"K\x00K\x01\x87")
        self.put()
        self.out.write(b"R")
        self.put()
        self.out.write(b"(K\x03")
        self.text(b"|")
        self.out.write(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
        self.put()
        self.out.write(b"b\x89")
        self.text(said.tobytes())
        self.out.write(b"t")
        self.put()
        self.out.write(b"b")

    def dictionary(self, said: dict[bytes, Any]) -> bytes:
        self.out.write(b"}")
        self.put()
        self.out.write(b"(")
        for key, value in said.items():
            self.text(key)
            self.value(value)
        self.out.write(b"u.")
        return self.out.getvalue()


def record(**said: Any) -> bytes:
    return Python2().dictionary({key.encode(): value for key, value in said.items()})


def batch(seed: int, count: int, labels: str = "labels", classes: int = 10, **more: Any) -> tuple[bytes, np.ndarray, list[int]]:
    pictures, numbers = random_pictures(seed, count, 3072), [n % classes for n in range(count)]
    names = [f"picture_{n}.png".encode() for n in range(count)]
    return record(**{"batch_label": b"one of some", labels: numbers, "data": pictures, "filenames": names}, **more), pictures, numbers


def write_cifar10(root: Path, packed: bool = False) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Five batches of 20 pictures and a test batch of 20, beside `batches.meta`."""
    written = {f"data_batch_{n}": batch(n, 20) for n in range(1, 6)} | {"test_batch": batch(9, 20)}
    meta = record(num_cases_per_batch=10000, label_names=[name.encode() for name in CIFAR10], num_vis=3072)
    files = {name: data for name, (data, _, _) in written.items()} | {"batches.meta": meta}
    if packed:
        with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    else:
        (root / "cifar-10-batches-py").mkdir()
        for name, data in files.items():
            (root / "cifar-10-batches-py" / name).write_bytes(data)
    trained = [written[f"data_batch_{n}"] for n in range(1, 6)]
    return {
        "train": (np.concatenate([pictures for _, pictures, _ in trained]), np.concatenate([labels for _, _, labels in trained])),
        "test": (written["test_batch"][1], np.array(written["test_batch"][2])),
    }


def write_cifar100(root: Path) -> dict[str, tuple[np.ndarray, list[int]]]:
    here = root / "cifar-100-python"
    here.mkdir()
    names = [f"thing {n}".encode() for n in range(100)]
    (here / "meta").write_bytes(record(fine_label_names=names, coarse_label_names=[b"things"]))
    sides = {}
    for seed, side in enumerate(("train", "test")):
        data, pictures, labels = batch(seed, 120, "fine_labels", 100, coarse_labels=[0] * 120)
        (here / side).write_bytes(data)
        sides[side] = pictures, labels
    return sides


def write_celeba(root: Path, count: int = 12) -> np.ndarray:
    """Pictures of 178 x 218 and all five lists; every third smiles, the last third is for tests."""
    here = root / "celeba"
    (here / "img_align_celeba").mkdir(parents=True)
    pictures = random_pictures(5, count, 218, 178, 3)
    names = [f"{n + 1:06d}.jpg" for n in range(count)]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(here / "img_align_celeba" / name, quality=95)
    attributes = ["Bald", "Smiling", "Young"]
    smiles = [1 if n % 3 == 0 else -1 for n in range(count)]
    rows = [f"{name} -1 {smile:2d} -1" for name, smile in zip(names, smiles, strict=True)]
    (here / "list_attr_celeba.txt").write_text("\n".join([str(count), " ".join(attributes) + " ", *rows]) + "\n")
    (here / "identity_CelebA.txt").write_text("".join(f"{name} 1\n" for name in names))
    (here / "list_bbox_celeba.txt").write_text(f"{count}\nimage_id x_1 y_1 width height\n" + "".join(f"{n} 1 1 2 2\n" for n in names))
    landmarks = "a b c d e f g h i j"
    (here / "list_landmarks_align_celeba.txt").write_text(f"{count}\n{landmarks}\n" + "".join(f"{n} 1 2 3 4 5 6 7 8 9 10\n" for n in names))
    sides = [0 if n < count * 2 // 3 - 1 else 1 if n == count * 2 // 3 - 1 else 2 for n in range(count)]
    (here / "list_eval_partition.txt").write_text("".join(f"{name} {side}\n" for name, side in zip(names, sides, strict=True)))
    return np.array(smiles)


def write_folder(root: Path, counts: dict[str, int], size: tuple[int, int] = (12, 16)) -> dict[str, np.ndarray]:
    written = {}
    for seed, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        written[name] = random_pictures(seed, count, *size, 3)
        for number, picture in enumerate(written[name]):
            Image.fromarray(picture).save(root / name / f"{number:03d}.png")
    return written
