"""Read images and classes with torchvision's classes, except for the formats that these would unpickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.base.suggest import did_you_mean
from unified.core.envs.dataset import Split
from unified.core.envs.dataset import split as split_rows
from unified.plugins.suites.vision.records import Unreadable, read_record


@dataclass(frozen=True)
class Pictures:
    """One side of a data set before resizing.

    Args:
        at: Returns the image of an index, ``(H, W)`` or ``(H, W, 3)`` uint8.
        labels: ``(N,)`` int64, indices of `classes`.
        classes: Their names.
    """

    at: Callable[[int], np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]

    def only(self, index: np.ndarray) -> Pictures:
        """The rows of these indices, in this order."""
        return Pictures(lambda number: self.at(index[number]), self.labels[index], self.classes)


def read(name: str, root: Path, options: Any) -> Mapping[Split, Pictures]:
    """Read both sides of a data set.

    Raises:
        UsageError: If a file is damaged.
    """
    try:
        return _READERS[name](root, options)
    except (OSError, ValueError, KeyError, AssertionError, RuntimeError, Unreadable) as error:
        raise UsageError(
            Problem(f"vision:{name} cannot be read from {root}: {error_text(error)}", "remove the damaged file and start again")
        ) from error


# MNIST and Fashion-MNIST: IDX files (LeCun, Cortes and Burges 1998) ---------------------------------------------------------------


def _idx(name: str) -> Callable[[Path, Any], Mapping[Split, Pictures]]:
    def reader(root: Path, options: Any) -> Mapping[Split, Pictures]:
        from torchvision import datasets

        maker = getattr(datasets, name)
        # A class of the same name, since torchvision finds its folder by the name; pickled files of old versions are ignored.
        current = type(name, (maker,), {"_check_legacy_exist": lambda self: False})
        classes = tuple(map(str, range(10))) if name == "MNIST" else tuple(maker.classes)
        train, test = (current(str(root), train=train) for train in (True, False))
        return {
            "train": _arrays(train.data.numpy(), train.targets.numpy(), classes),
            "test": _arrays(test.data.numpy(), test.targets.numpy(), classes),
        }

    return reader


def _arrays(pictures: np.ndarray, labels: Any, classes: tuple[str, ...]) -> Pictures:
    labels = np.asarray(labels, np.int64)
    if len(labels) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures and {len(labels)} labels")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(f"labels from {labels.min()} to {labels.max()} of {len(classes)} classes")
    return Pictures(pictures.__getitem__, labels, classes)


# CIFAR: records (Krizhevsky 2009) -----------------------------------------------------------------------------------------------


def _cifar(folder: str, files: Mapping[Split, tuple[str, ...]], labels: str, meta: str, names: str) -> Any:
    def reader(root: Path, options: Any) -> Mapping[Split, Pictures]:
        classes = tuple(_record(root / folder / meta)[names])
        return {side: _batches([root / folder / file for file in files[side]], labels, classes) for side in files}

    return reader


def _batches(paths: list[Path], labels: str, classes: tuple[str, ...]) -> Pictures:
    records = [_record(path) for path in paths]
    if any(record["data"].dtype != np.uint8 for record in records):
        raise ValueError("its pictures are not bytes")
    pictures = np.concatenate([record["data"].reshape(-1, 3, 32, 32) for record in records])
    return _arrays(pictures.transpose(0, 2, 3, 1), list(chain.from_iterable(record[labels] for record in records)), classes)


def _record(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_record(path.read_bytes())
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from error
    return found


# CelebA (Liu et al. 2015) -------------------------------------------------------------------------------------------------------


def _celeba(root: Path, options: Any) -> Mapping[Split, Pictures]:
    from torchvision import datasets

    # torchvision refuses files with other checksums; here they are reported in the metadata.
    files = [(place, None, name) for place, _, name in datasets.CelebA.file_list]
    current = type("CelebA", (datasets.CelebA,), {"file_list": files})
    sides: dict[Split, Pictures] = {}
    side: Split
    for side in ("train", "test"):
        found = current(str(root), split=side)
        names = [name for name in found.attr_names if name]
        if options.attribute not in names:
            hint = did_you_mean(options.attribute, names) or f"one of {', '.join(names)}"
            raise UsageError(Problem(f"suite.attribute={options.attribute}: CelebA has no such attribute", hint))
        labels = found.attr[:, names.index(options.attribute)].numpy().astype(np.int64)
        folder = Path(found.root, found.base_folder, "img_align_celeba")
        sides[side] = _files([folder / name for name in found.filename], labels, (f"not {options.attribute}", options.attribute))
    return sides


# Folders with a folder for each class ------------------------------------------------------------------------------------------


def folder_sides(path: Path) -> dict[Split, Path]:
    """The folders of both sides; the same folder if there is no test folder."""
    if (path / "train").is_dir() and (path / "test").is_dir():
        return {"train": path / "train", "test": path / "test"}
    return {"train": path, "test": path}


def _folder(root: Path, options: Any) -> Mapping[Split, Pictures]:
    from torchvision.datasets import ImageFolder

    sides = folder_sides(root)
    found = {place: ImageFolder(str(place)) for place in set(sides.values())}
    classes = tuple(found[sides["train"]].classes)
    if other := sorted(set(found[sides["test"]].classes) - set(classes)):
        raise UsageError(Problem(f"{sides['test']} has classes that {sides['train']} has not: {', '.join(other)}"))
    read_sides = {side: _listed(found[place], classes) for side, place in sides.items()}
    if sides["train"] == sides["test"]:
        everything = read_sides["train"]
        train, test = split_rows(len(everything.labels), everything.labels, options.test, options.split_seed)
        return {"train": everything.only(train), "test": everything.only(test)}
    return read_sides


def _listed(found: Any, classes: tuple[str, ...]) -> Pictures:
    labels = np.array([classes.index(found.classes[number]) for _, number in found.samples], np.int64)
    return _files([Path(path) for path, _ in found.samples], labels, classes)


def _files(paths: list[Path], labels: np.ndarray, classes: tuple[str, ...]) -> Pictures:
    return Pictures(lambda number: _decoded(paths[number]), labels, classes)


def _decoded(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


_READERS: Mapping[str, Callable[[Path, Any], Mapping[Split, Pictures]]] = {
    "mnist": _idx("MNIST"),
    "fashion_mnist": _idx("FashionMNIST"),
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
