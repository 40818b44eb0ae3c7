"""A cache of images as arrays: read and resized once, memory-mapped later. Torch-free.

One directory ``NAME-KEY`` for each set of images, with ``train.npy`` and ``test.npy`` (uint8), ``train_targets.npy`` and
``test_targets.npy`` (int64), and ``meta.json`` with the sha256 of each. The key is a digest of the name, the options and the size and time
of each source file, so another choice or another file is another directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unified.core.base import files as atomic
from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.envs.dataset import Rows, Split, statistics
from unified.plugins.suites.vision.readers import Pictures

#: Raised when the same files and options give other arrays.
VERSION = 1
_SIDES: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Kept:
    """The contents of a cache directory.

    Args:
        rows: Rows of each side of the split, memory-mapped and read-only.
        meta: Names of the classes, statistics of the training images, and notes from reading them.
    """

    rows: Mapping[Split, Rows]
    meta: Mapping[str, Any]


def key(name: str, options: Mapping[str, Any], files: Iterable[tuple[str, Path]]) -> str:
    """A key of sixteen digits for source files and options.

    Args:
        name: Name of the data set.
        options: Options that change the arrays.
        files: Source files by name; a folder is identified by its modification time.
    """
    seen = [(known, path.stat().st_size if path.is_file() else 0, path.stat().st_mtime_ns) for known, path in files]
    return hashlib.sha256(json.dumps([VERSION, name, dict(options), seen], sort_keys=True).encode()).hexdigest()[:16]


def find(directory: Path) -> Kept | None:
    """Load a cache directory; ``None`` if it is missing or damaged."""
    try:
        meta = json.loads((directory / "meta.json").read_text())
        for name, entry in meta["files"].items():
            stat = (directory / name).stat()
            if stat.st_size != entry["size"] or _sha256(directory / name, stat.st_mtime_ns) != entry["sha256"]:
                return None
        return Kept({side: Rows(_mapped(directory / f"{side}.npy"), _mapped(directory / f"{side}_targets.npy")) for side in _SIDES}, meta)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def keep(directory: Path, sides: Mapping[Split, Pictures], size: int | None, grey: bool, noted: Mapping[str, Any]) -> Kept:
    """Write the images of both sides of the split.

    Args:
        directory: Target; it appears when it is complete.
        sides: The images of both sides.
        size: Height and width after resizing.
        grey: Whether to convert to one channel.
        noted: Additional metadata.

    Raises:
        UsageError: If there are no images, their sizes differ and `size` is not given, or they cannot be written.
    """
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write(partial, sides, size, grey, noted)
        shutil.rmtree(directory, ignore_errors=True)  # damaged
        with suppress(FileExistsError):  # written by another process in the meantime
            atomic.rename(partial, directory)
    except OSError as error:
        raise UsageError(
            Problem(f"images cannot be cached in {directory.parent}: {error_text(error)}", "elsewhere: suite.cache=DIR")
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    kept = find(directory)
    if kept is None:
        raise UsageError(Problem(f"{directory} is damaged right after writing", "elsewhere: suite.cache=DIR"))
    return kept


def _write(directory: Path, sides: Mapping[Split, Pictures], size: int | None, grey: bool, noted: Mapping[str, Any]) -> None:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for side, pictures in sides.items():
        if not len(pictures.labels):
            raise UsageError(Problem(f"there are no images to {'train on' if side == 'train' else 'test on'}", "look at suite.classes"))
        array = _fill(directory / f"{side}.npy", pictures, size, grey)
        if side == "train":
            mean, std = statistics(array)
        np.save(directory / f"{side}_targets.npy", pictures.labels.astype(np.int64), allow_pickle=False)
    names = sorted(path.name for path in directory.iterdir())
    files = {name: {"size": (path := directory / name).stat().st_size, "sha256": _digest(path)} for name in names}
    meta = {"version": VERSION, "files": files, "mean": mean, "std": std, "classes": sides["train"].classes, **noted}
    atomic.write_bytes(directory / "meta.json", json.dumps(meta, indent=1).encode())


def _fill(path: Path, pictures: Pictures, size: int | None, grey: bool) -> np.ndarray:
    """Write the images of one side to a file ``(N, C, H, W)``, one in memory at a time."""
    first = add_modules(pictures.at(0), size, grey)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(pictures.labels), *first.shape))
    for number in range(len(array)):
        picture = add_modules(pictures.at(number), size, grey)
        if picture.shape != first.shape:
            sizes = " and ".join("x".join(map(str, each.shape[1:])) for each in (first, picture))
            files = f"{pictures.name(0)}, {pictures.name(number)}"
            raise UsageError(Problem(f"the images have several sizes: {sizes} ({files})", "resize them: suite.size=64"))
        array[number] = picture
    array.flush()
    return array


def add_modules(picture: np.ndarray, size: int | None, grey: bool) -> np.ndarray:
    """Convert an image ``(H, W)`` or ``(H, W, 3)`` to ``(C, H, W)``, resized and in grey if requested.

    The central square is resized with bilinear antialiasing. Grey is
    the luma of ITU-R BT.601, as in PIL.
    """
    fits = size is None or picture.shape[:2] == (size, size)
    if not fits or (grey and picture.ndim == 3):
        from PIL import Image

        image = Image.fromarray(picture)
        image = image.convert("L") if grey else image
        if size is not None and not fits:
            height, width = picture.shape[:2]
            side = min(height, width)
            left, top = (width - side) // 2, (height - side) // 2
            image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
        picture = np.asarray(image)
    return picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)


def _mapped(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


@cache
def _sha256(path: Path, changed_ns: int) -> str:
    """Computed once per process for each version of a file."""
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
