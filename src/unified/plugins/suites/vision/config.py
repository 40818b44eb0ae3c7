"""Options of the suite vision. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from unified.plugins.suites.splits import ViewOptions


def _absolute(path: str) -> str:
    """Make a path absolute, so that the configuration of a run does not depend on the working directory."""
    return str(Path(path).expanduser().absolute())


Folder = Annotated[str, AfterValidator(_absolute)]


class VisionOptions(ViewOptions):
    """Data set and preprocessing."""

    root: Folder | None = None
    """Directory of the files in torchvision's layout; by default $UNIFIED_DATA, else ~/.cache/unified/data."""
    path: Folder | None = None
    """Folder of vision:folder: PATH/CLASS/*.png, or PATH/train/CLASS/*.png and PATH/test/CLASS/*.png (or val)."""
    cache: Folder | None = None
    """Directory of the cached arrays; by default `arrays` in $UNIFIED_DATA, else in ~/.cache/unified/data."""
    download: bool = True
    """Download missing files."""
    classes: list[str] | None = None
    """Classes to use, by name or index; they are renumbered in this order."""
    size: int | None = Field(None, ge=4)
    """Height and width after resizing the central square; by default 64 for CelebA and no resizing for others."""
    grey: bool = False
    """Greyscale instead of colour."""
    attribute: str = "Smiling"
    """Attribute of CelebA that is the class."""
    test: float = Field(0.2, gt=0, lt=1)
    """Fraction of the images of each class in the test split, if a folder has no test images."""
    split_seed: int = Field(0, ge=0)
    """Seed of the test split of a folder."""
