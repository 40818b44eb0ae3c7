"""Open files and images of data sets, which may come from anybody: no program is started, and nothing but regular files is opened."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

import numpy as np

from unified.core.base.errors import Problem, UsageError, error_text
from unified.core.base.files import read_file

#: Decoders of Pillow that are used, whatever the name of a file says. Others start programs (EPS) or read formats of no data set.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
#: Endings of image files in folders.
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".webp", ".tif", ".tiff")
#: Pixels of an image at most; a small file can claim billions.
MOST_PIXELS = 2**26


def read_bytes(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        UsageError: If it cannot be read, or is a FIFO, a device, a socket or a directory.
    """
    try:
        return read_file(path, follow=True)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise unreadable(path, error) from error


def decode(path: Path) -> np.ndarray:
    """An image as ``(H, W, 3)`` uint8.

    Raises:
        UsageError: If the file is no complete image of `FORMATS`, or has more than `MOST_PIXELS` pixels.
    """
    import io

    from PIL import Image

    data = read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        with picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"it has {width} x {height} pixels; {MOST_PIXELS:,} at most")
            if picture.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8
                return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[:, :, None], 3, 2)
            if picture.mode in ("I", "F"):
                raise ValueError(f"its pixels are {'floats' if picture.mode == 'F' else '32-bit integers'}; save it with 8 bits")
            return np.asarray(picture.convert("RGB"))
    except Image.UnidentifiedImageError as error:
        raise unreadable(path, ValueError(f"it is not an image of {', '.join(FORMATS)}")) from error
    except Exception as error:  # decoders raise many types of errors
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UsageError:
    """The error that names a file of a data set."""
    why = str(error) if type(error) is ValueError else error_text(error)
    if isinstance(error, OSError) and error.strerror:
        why = error.strerror
    return UsageError(Problem(f"{path} cannot be read: {why}", "repair or remove this file, and start again"))


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in order; hidden ones do not count (``.git``, ``__MACOSX``, ``@eaDir``)."""
    try:
        return sorted(each.name for each in os.scandir(folder) if each.is_dir() and not is_hidden(each.name))
    except OSError as error:
        raise unreadable(folder, error) from error


def images(folder: Path) -> list[Path]:
    """All image files below a folder, in order; hidden ones do not count. Links are followed, and each folder is read once.

    Raises:
        UsageError: If one of them is not a regular file, with its name.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            if is_hidden(name) or not name.lower().endswith(ENDINGS):
                continue
            path = Path(place, name)
            try:
                if not stat.S_ISREG(path.stat().st_mode):
                    raise ValueError("it is not a regular file")
            except (OSError, ValueError) as error:
                raise unreadable(path, error) from error
            found.append(path)
    return sorted(found)


def is_hidden(name: str) -> bool:
    return name.startswith((".", "@")) or name == "__MACOSX"
