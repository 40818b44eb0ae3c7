"""Pictures kept as arrays: read and cut to size once, mapped into memory at every later start. Torch-free.

A directory for each choice of pictures, ``NAME-KEY``, with ``train.npy`` and ``test.npy`` (uint8), ``train_targets.npy`` and
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

#: Goes up when the same files and options give other arrays.
VERSION = 1
_SIDES: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Kept:
    """What lies in a directory.

    Args:
        rows: Of each side, mapped from the disk, not to be written to.
        meta: Names of the classes, statistics of the training pictures, and what was noted when they were read.
    """

    rows: Mapping[Split, Rows]
    meta: Mapping[str, Any]


def key(name: str, options: Mapping[str, Any], files: Iterable[tuple[str, Path]]) -> str:
    """Sixteen digits of what is read and how.

    Args:
        name: Of the data set.
        options: Those that change what is read.
        files: What is read, each with the name that it is known by; a folder counts by its time.
    """
    seen = [(known, path.stat().st_size if path.is_file() else 0, path.stat().st_mtime_ns) for known, path in files]
    return hashlib.sha256(json.dumps([VERSION, name, dict(options), seen], sort_keys=True).encode()).hexdigest()[:16]


def find(directory: Path) -> Kept | None:
    """What is kept there; ``None`` where there is nothing, or something that is damaged."""
    try:
        meta = json.loads((directory / "meta.json").read_text())
        for name, said in meta["files"].items():
            stat = (directory / name).stat()
            if stat.st_size != said["size"] or _sha256(directory / name, stat.st_mtime_ns) != said["sha256"]:
                return None
        return Kept({side: Rows(_mapped(directory / f"{side}.npy"), _mapped(directory / f"{side}_targets.npy")) for side in _SIDES}, meta)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(directory: Path, sides: Mapping[Split, Pictures], size: int | None, grey: bool, noted: Mapping[str, Any]) -> Kept:
    """Write the pictures of both sides where `find` finds them.

    Args:
        directory: Where; nobody sees it before it is whole.
        sides: The pictures.
        size: Height and width that they are brought to.
        grey: Whether they have one channel.
        noted: Further entries of the meta data.

    Raises:
        UsageError: If there are none, they have several sizes and none is asked for, or the disk does not take them.
    """
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write(partial, sides, size, grey, noted)
        shutil.rmtree(directory, ignore_errors=True)  # damaged
        with suppress(FileExistsError):  # by another process, meanwhile
            atomic.rename(partial, directory)
    except OSError as error:
        raise UsageError(
            Problem(f"pictures cannot be kept in {directory.parent}: {error_text(error)}", "elsewhere: suite.cache=DIR")
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    kept = find(directory)
    if kept is None:
        raise UsageError(Problem(f"{directory} is damaged as soon as it is written", "elsewhere: suite.cache=DIR"))
    return kept


def _write(directory: Path, sides: Mapping[Split, Pictures], size: int | None, grey: bool, noted: Mapping[str, Any]) -> None:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for side, pictures in sides.items():
        if not len(pictures.labels):
            raise UsageError(Problem(f"there are no pictures to {'train on' if side == 'train' else 'judge by'}", "look at suite.classes"))
        array = _fill(directory / f"{side}.npy", pictures, size, grey)
        if side == "train":
            mean, std = statistics(array)
        np.save(directory / f"{side}_targets.npy", pictures.labels.astype(np.int64), allow_pickle=False)
    names = sorted(path.name for path in directory.iterdir())
    files = {name: {"size": (path := directory / name).stat().st_size, "sha256": _digest(path)} for name in names}
    meta = {"version": VERSION, "files": files, "mean": mean, "std": std, "classes": sides["train"].classes, **noted}
    atomic.write_bytes(directory / "meta.json", json.dumps(meta, indent=1).encode())


def _fill(path: Path, pictures: Pictures, size: int | None, grey: bool) -> np.ndarray:
    """The pictures of one side in a new file, ``(N, C, H, W)``, one in memory at a time."""
    first = add_modules(pictures.at(0), size, grey)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(pictures.labels), *first.shape))
    for number in range(len(array)):
        picture = add_modules(pictures.at(number), size, grey)
        if picture.shape != first.shape:
            sizes = " and ".join("x".join(map(str, each.shape[1:])) for each in (first, picture))
            raise UsageError(Problem(f"the pictures have several sizes: {sizes}", "bring them to one: suite.size=64"))
        array[number] = picture
    array.flush()
    return array


def add_modules(picture: np.ndarray, size: int | None, grey: bool) -> np.ndarray:
    """A picture ``(H, W)`` or ``(H, W, 3)`` as ``(C, H, W)``, brought to a size and to grey where that is asked for.

    The square in the middle is resized: each pixel is the mean of what it covers, weighted by distance (bilinear, antialiased). Grey is
    the brightness of ITU-R BT.601, as PIL has it.
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
    """Computed once in a process for each state of a file."""
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
