"""Read images and classes of the published data sets and of folders. Nothing in a file is executed, and errors name the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.base.suggest import did_you_mean
from unified.core.envs.dataset import Split
from unified.core.envs.dataset import split as split_rows
from unified.plugins.suites.vision.files import ENDINGS, class_folders, decode, images, read_bytes, unreadable
from unified.plugins.suites.vision.records import Unreadable, read_record


@dataclass(frozen=True)
class Pictures:
    """One side of a data set before resizing.

    Args:
        at: Returns the image of an index, ``(H, W)`` or ``(H, W, 3)`` uint8.
        labels: ``(N,)`` int64, indices of `classes`.
        classes: Their names.
        name: Returns the name of an image for messages.
    """

    at: Callable[[int], np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]
    name: Callable[[int], str] = "image {}".format

    def only(self, index: np.ndarray) -> Pictures:
        """The rows of these indices, in this order."""
        return Pictures(
            lambda number: self.at(index[number]), self.labels[index], self.classes, lambda number: self.name(int(index[number]))
        )


def read(name: str, root: Path, options: Any) -> Mapping[Split, Pictures]:
    """Read both sides of a data set.

    Raises:
        UsageError: If a file is damaged.
    """
    try:
        return _READERS[name](root, options)
    except (OSError, ValueError) as error:  # of the file system, and of NumPy: batches that do not fit each other
        raise UsageError(
            Problem(f"vision:{name} cannot be read from {root}: {error_text(error)}", "remove the damaged file and start again")
        ) from error


# MNIST and Fashion-MNIST: IDX files (LeCun, Cortes and Burges 1998) ---------------------------------------------------------------

_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def _idx(folder: str, classes: tuple[str, ...]) -> Callable[[Path, Any], Mapping[Split, Pictures]]:
    def reader(root: Path, options: Any) -> Mapping[Split, Pictures]:
        sides: dict[Split, Pictures] = {}
        words: dict[Split, str] = {"train": "train", "test": "t10k"}
        for side, word in words.items():
            labels = root / folder / "raw" / f"{word}-labels-idx1-ubyte"
            found = _bytes_of(root / folder / "raw" / f"{word}-images-idx3-ubyte", 3)
            sides[side] = _arrays(found, _bytes_of(labels, 1), classes, labels)
        return sides

    return reader


def _bytes_of(path: Path, axes: int) -> np.ndarray:
    """The array of an IDX file of bytes: two zeros, the type, the number of axes, their big-endian sizes, the numbers."""
    data, start = read_bytes(path), 4 + 4 * axes
    if len(data) < start or tuple(data[:4]) != (0, 0, 8, axes):
        raise unreadable(path, ValueError(f"it is not an IDX file of bytes with {axes} axes"))
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", axes, 4))
    if math.prod(shape) != len(data) - start:
        raise unreadable(path, ValueError(f"its header says {' x '.join(map(str, shape))} bytes, and it has {len(data) - start:,}"))
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _arrays(pictures: np.ndarray, labels: Any, classes: tuple[str, ...], path: Path) -> Pictures:
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(pictures):
        seen = len(labels) if labels.ndim == 1 else f"{labels.dtype} {labels.shape}"
        raise unreadable(path, ValueError(f"{len(pictures)} pictures and {seen} labels"))
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise unreadable(path, ValueError(f"labels from {labels.min()} to {labels.max()} of {len(classes)} classes"))
    return Pictures(pictures.__getitem__, labels.astype(np.int64), classes)


# CIFAR: records (Krizhevsky 2009) -----------------------------------------------------------------------------------------------


def _cifar(folder: str, files: Mapping[Split, tuple[str, ...]], labels: str, meta: str, names: str) -> Any:
    def reader(root: Path, options: Any) -> Mapping[Split, Pictures]:
        classes = _record(root / folder / meta).get(names)
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise unreadable(root / folder / meta, ValueError(f"it has no list {names!r}"))
        return {side: _batches([root / folder / file for file in files[side]], labels, tuple(classes)) for side in files}

    return reader


def _batches(paths: list[Path], labels: str, classes: tuple[str, ...]) -> Pictures:
    batches = [_batch(path, labels, classes) for path in paths]
    pictures = np.concatenate([found for found, _ in batches])
    return Pictures(pictures.__getitem__, np.concatenate([found.labels for _, found in batches]), classes)


def _batch(path: Path, labels: str, classes: tuple[str, ...]) -> tuple[np.ndarray, Pictures]:
    """The images ``(N, 32, 32, 3)`` and labels of a file."""
    record = _record(path)
    data = record.get("data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise unreadable(path, ValueError("its pictures are not rows of 3,072 bytes"))
    pictures = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pictures, _arrays(pictures, record.get(labels, ()), classes, path)


def _record(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_record(read_bytes(path))
    except Unreadable as error:
        raise unreadable(path, ValueError(str(error))) from error
    return found


# CelebA (Liu et al. 2015) -------------------------------------------------------------------------------------------------------


def _celeba(root: Path, options: Any) -> Mapping[Split, Pictures]:
    folder = root / "celeba"
    attributes, names = _celeba_rows(folder / "list_attr_celeba.txt", header=True)
    parts, _ = _celeba_rows(folder / "list_eval_partition.txt", header=False)
    if options.attribute not in names:
        hint = did_you_mean(options.attribute, names) or f"one of {', '.join(names)}"
        raise UsageError(Problem(f"suite.attribute={options.attribute}: CelebA has no such attribute", hint))
    column, sides = names.index(options.attribute), {}
    side: Split
    for side, part in (("train", 0), ("test", 2)):
        files = [name for name, (number, *_) in parts.items() if number == part]
        if missing := [name for name in files if name not in attributes]:
            raise unreadable(folder / "list_attr_celeba.txt", ValueError(f"it has no row of {missing[0]}"))
        labels = np.array([attributes[name][column] > 0 for name in files], np.int64)
        sides[side] = _files(
            [folder / "img_align_celeba" / name for name in files], labels, (f"not {options.attribute}", options.attribute)
        )
    return sides


def _celeba_rows(path: Path, header: bool) -> tuple[dict[str, list[int]], list[str]]:
    """The numbers of each image by the name of its file, and the names of the columns: the second line, if there is a header."""
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    names = lines[1].split() if header and len(lines) > 1 else []
    rows: dict[str, list[int]] = {}
    for number, line in enumerate(lines[2 * header :], 2 * header + 1):
        name, *numbers = line.split() or [""]
        try:
            rows[name] = [int(text) for text in numbers]
        except ValueError as error:
            raise unreadable(path, ValueError(f"line {number} is not a file name and integers: {line[:60]!r}")) from error
        if not name or Path(name).name != name or len(numbers) != (len(names) or 1):
            raise unreadable(path, ValueError(f"line {number} is not a file name and {len(names) or 1} integers: {line[:60]!r}"))
    return rows, names


# Folders with a folder for each class ------------------------------------------------------------------------------------------

#: Names of the folders of the training and of the test images, in any case; earlier ones are preferred.
TRAIN, TEST = ("train", "training"), ("test", "testing", "val", "valid", "validation")


def folder_sides(path: Path) -> dict[Split, Path]:
    """The folders of both sides; the same folder if there is no test folder with classes."""
    by_name = {name.lower(): path / name for name in reversed(class_folders(path))}
    train = next((by_name[name] for name in TRAIN if name in by_name), None)
    test = next((by_name[name] for name in TEST if name in by_name and class_folders(by_name[name])), None)
    if train is None or (test is None and len(by_name) > 1):
        return {"train": path, "test": path}
    return {"train": train, "test": test or train}


def _folder(root: Path, options: Any) -> Mapping[Split, Pictures]:
    sides = folder_sides(root)
    classes = tuple(class_folders(sides["train"]))
    if other := sorted(set(class_folders(sides["test"])) - set(classes)):
        raise UsageError(Problem(f"{sides['test']} has classes that {sides['train']} has not: {', '.join(other)}"))
    read_sides = {side: _listed(place, classes) for side, place in sides.items()}
    if empty := sorted(set(range(len(classes))) - set(read_sides["train"].labels.tolist())):
        wanted = f"remove the folder, or add images: {', '.join(ENDINGS)}"
        raise UsageError(Problem(f"{sides['train'] / classes[empty[0]]} holds no image", wanted))
    if sides["train"] == sides["test"]:
        everything = read_sides["train"]
        train, test = split_rows(len(everything.labels), everything.labels, options.test, options.split_seed)
        return {"train": everything.only(train), "test": everything.only(test)}
    return read_sides


def _listed(folder: Path, classes: tuple[str, ...]) -> Pictures:
    found = [(path, number) for number, name in enumerate(classes) if (folder / name).is_dir() for path in images(folder / name)]
    return _files([path for path, _ in found], np.array([number for _, number in found], np.int64), classes)


def _files(paths: list[Path], labels: np.ndarray, classes: tuple[str, ...]) -> Pictures:
    return Pictures(lambda number: decode(paths[number]), labels, classes, lambda number: str(paths[number]))


_READERS: Mapping[str, Callable[[Path, Any], Mapping[Split, Pictures]]] = {
    "mnist": _idx("MNIST", tuple(map(str, range(10)))),
    "fashion_mnist": _idx("FashionMNIST", _FASHION),
    "cifar10": _cifar(
        "cifar-10-batches-py",
        {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)},
        "labels",
        "batches.meta",
        "label_names",
    ),
    "cifar100": _cifar("cifar-100-python", {"train": ("train",), "test": ("test",)}, "fine_labels", "meta", "fine_label_names"),
    "celeba": _celeba,
    "folder": _folder,
}
