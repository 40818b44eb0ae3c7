"""Options of the suite vision. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from unified.core.base.errors import Problem
from unified.plugins.suites.splits import ViewOptions


def _absolute(path: str) -> str:
    """What is kept in a run's configuration means the same folder from anywhere."""
    return str(Path(path).expanduser().absolute())


Folder = Annotated[str, AfterValidator(_absolute)]


class VisionOptions(ViewOptions):
    """Which pictures of a data set, and how they are seen."""

    root: Folder | None = None
    """Where the files are, laid out as torchvision does; by default $UNIFIED_DATA, else ~/.cache/unified/data."""
    path: Folder | None = None
    """Of vision:folder: PATH/CLASS/*.png, or PATH/train/CLASS/*.png and PATH/test/CLASS/*.png."""
    cache: Folder | None = None
    """Where the pictures are kept as arrays; by default `arrays` in $UNIFIED_DATA, else in ~/.cache/unified/data."""
    download: bool = True
    """Fetch the files where they are not there."""
    classes: list[str] | None = None
    """Only these classes, by name or number; they are numbered anew in this order."""
    size: int | None = Field(None, ge=4)
    """Height and width that pictures are brought to, from the square in their middle; CelebA's 64 by default, others stay as they are."""
    grey: bool = False
    """One channel of brightness instead of colours."""
    attribute: str = "Smiling"
    """Of CelebA: which of the 40 attributes is the class."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of the pictures of each class that are judged by, where a folder has no test pictures of its own."""
    split_seed: int = Field(0, ge=0)
    """Of the shuffle that decides which pictures of a folder are judged by."""

    def lacking(self, run: Path) -> list[Problem]:
        *_, task, _seed = run.parts
        if task != "folder":
            return []
        if self.path is None:
            return [Problem("vision:folder needs a folder with a folder of pictures for each class", "say which: suite.path=DIR")]
        wanted = "suite.path=DIR with CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png"
        return [] if Path(self.path).is_dir() else [Problem(f"there is no folder {self.path}", wanted)]
