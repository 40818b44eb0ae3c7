"""Suites of torchvision's image data sets and of image folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from unified.core.base.errors import Notice, Problem, UsageError
from unified.core.base.spec import Space, Spec
from unified.core.base.suggest import did_you_mean
from unified.core.envs.dataset import DataSuite, Rows, Split
from unified.plugins.suites.vision import cache
from unified.plugins.suites.vision.config import VisionOptions
from unified.plugins.suites.vision.files import class_folders, images
from unified.plugins.suites.vision.readers import Pictures, folder_sides, read
from unified.plugins.suites.vision.sources import SOURCES

#: Environment variable with the directory of data sets.
VARIABLE = "UNIFIED_DATA"
#: Default height and width of CelebA, as in most of the literature.
CELEBA_SIZE = 64


class Vision(DataSuite):
    """``vision:mnist``, ``vision:cifar10``, …, and ``vision:folder suite.path=DIR``.

    The first start reads the files with torchvision; later starts memory-map the cache and need no torch.
    """

    options: VisionOptions

    def native(self) -> Spec:
        meta, pictures = self._kept.meta, self._kept.rows["train"].inputs
        classes = tuple(meta["classes"])
        return Spec(
            observation=Space(pictures.shape[1:], "uint8", 0, 255),
            action=Space((), "int64", 0, len(classes) - 1, len(classes)),
            task_type="classify",
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
            classes=classes,
        )

    def data(self, split: Split) -> Rows:
        return self._kept.rows[split]

    def notes(self) -> list[str]:
        others = self._kept.meta["unpublished"]
        return [f"vision:{self.task}: not as published (another md5): {', '.join(others)}"] if others else []

    @cached_property
    def _kept(self) -> cache.Kept:
        """The arrays from the cache, which is filled if necessary.

        Raises:
            UsageError: If files are missing and cannot be downloaded, are damaged, or have no such classes.
        """
        root = self._folder if self.task == "folder" else self._root
        if self.task != "folder":
            SOURCES[self.task].provide(self.task, root, self.options.download)
        size = self.options.size or (CELEBA_SIZE if self.task == "celeba" else None)
        read_with = self.options.model_dump(include={"classes", "grey", "attribute", "test", "split_seed"}) | {"size": size}
        directory = self._cache / f"{self.task}-{cache.key(self.task, read_with, self._files(root))}"
        kept = cache.find(directory)
        if kept is None:
            sides = {side: self._chosen(pictures) for side, pictures in read(self.task, root, self.options).items()}
            unpublished = SOURCES[self.task].unpublished(root) if self.task != "folder" else []
            kept = cache.keep(directory, sides, size, self.options.grey, {"unpublished": unpublished})
        return kept

    @property
    def _root(self) -> Path:
        return Path(self.options.root) if self.options.root else _home()

    @property
    def _cache(self) -> Path:
        return Path(self.options.cache) if self.options.cache else _home() / "arrays"

    @property
    def _folder(self) -> Path:
        if self.options.path is None:
            raise UsageError(Problem("vision:folder needs a folder with a folder of images for each class", "set suite.path=DIR"))
        path = Path(self.options.path)
        if not path.is_dir() or not all(class_folders(place) for place in folder_sides(path).values()):
            wanted = "it should be PATH/CLASS/*.png, or PATH/train/CLASS/*.png and PATH/test/CLASS/*.png"
            raise UsageError(Problem(f"suite.path={path} is not a folder with a folder for each class", wanted))
        return path

    def _files(self, root: Path) -> Iterator[tuple[str, Path]]:
        """Source files with names that do not depend on their location."""
        if self.task != "folder":
            yield from ((str(path.relative_to(root)), path) for path in SOURCES[self.task].ready(root))
            return
        for place in sorted(set(folder_sides(root).values())):
            yield from ((str(path.relative_to(root)), path) for name in class_folders(place) for path in images(place / name))

    def _chosen(self, pictures: Pictures) -> Pictures:
        """The rows of the requested classes, renumbered."""
        if self.options.classes is None:
            return pictures
        wanted = [_number(text, pictures.classes) for text in self.options.classes]
        if len(set(wanted)) < max(2, len(wanted)):
            raise UsageError(Problem(f"suite.classes={','.join(self.options.classes)}: needs at least two different classes"))
        anew = np.full(len(pictures.classes), -1)
        anew[wanted] = range(len(wanted))
        chosen = pictures.only(np.flatnonzero(anew[pictures.labels] >= 0))
        return replace(chosen, labels=anew[chosen.labels], classes=tuple(pictures.classes[number] for number in wanted))


def check(task: str, options: VisionOptions) -> None:
    """Check that the files of a task are there; files that the run will download are a warning.

    Raises:
        UsageError: If files are missing and may not be downloaded.
    """
    suite = Vision(task, options)
    if task == "folder":
        suite._folder  # noqa: B018  (refuses one without classes)
    elif missing := SOURCES[task].missing(suite._root):
        if not options.download:
            SOURCES[task].provide(task, suite._root, download=False)
        size = sum(file.size for file in missing) / 1e6
        what = (
            f"vision:{task} needs files that are not in {suite._root / SOURCES[task].folder}; the run downloads them first ({size:,.0f} MB)"
        )
        warnings.warn(what, Notice, stacklevel=2)


def _home() -> Path:
    return Path(os.environ.get(VARIABLE) or "~/.cache/unified/data").expanduser()


def _number(text: str, classes: Sequence[str]) -> int:
    """The index of a class from its name in any case, or from its index."""
    named = {name.lower(): number for number, name in enumerate(classes)}
    if text.lower() in named:
        return named[text.lower()]
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    hint = did_you_mean(text, classes) or f"a name or an index of: {', '.join(classes[:20])}{', …' if len(classes) > 20 else ''}"
    raise UsageError(Problem(f"suite.classes: there is no class {text!r}", hint))
