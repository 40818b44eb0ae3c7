"""The published files of each data set: location, download, unpacking, and errors for missing files."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unified.core.base.errors import FilesMissing, Problem, UsageError, error_text

#: Timeout of a silent server in seconds.
PATIENCE = 10.0
#: An archive may unpack to this many times its published size.
BOMB = 20


@dataclass(frozen=True)
class File:
    """A published file.

    Args:
        name: File name.
        size: Size in bytes.
        md5: MD5 checksum in hexadecimal.
        gives: Unpacked files, relative to the directory of the file; empty if it is not unpacked.
    """

    name: str
    size: int
    md5: str
    gives: tuple[str, ...] = ()

    def is_published(self, path: Path) -> bool:
        """Whether the file on disk is the published one."""
        return path.stat().st_size == self.size and _md5(path) == self.md5


@dataclass(frozen=True)
class ExperienceSource:
    """The source of a data set.

    Args:
        torchvision: The class of `torchvision.datasets` that downloads it.
        folder: Folder of the files, relative to the root, in torchvision's layout.
        files: Published files; sizes and checksums are from the authors' pages and torchvision.
        inner: Published MD5 checksums of unpacked files by path.
    """

    torchvision: str
    folder: str
    files: tuple[File, ...]
    inner: tuple[tuple[str, str], ...] = ()

    def ready(self, root: Path) -> tuple[Path, ...]:
        """The source files and folders in a fixed order."""
        return tuple(root / self.folder / name for file in self.files for name in file.gives or (file.name,))

    def missing(self, root: Path) -> list[File]:
        """Files that are missing and not unpacked."""
        here = root / self.folder
        return [file for file in self.files if not (here / file.name).exists() and not _all_there(here, file)]

    def provide(self, name: str, root: Path, download: bool) -> None:
        """Make all files available: unpack archives, download missing files.

        Raises:
            FilesMissing: If files are missing.
            UsageError: If files are damaged.
        """
        why = "suite.download=false"
        if self.missing(root) and download:
            why = self._fetch(root)
        if missing := self.missing(root):
            raise FilesMissing(*self._told(name, root, missing, why))
        for file in self.files:
            if not _all_there(root / self.folder, file):
                _unpack(name, root / self.folder, file)

    def unpublished(self, root: Path) -> list[str]:
        """Names of files that differ from the published ones."""
        here = root / self.folder
        packed = [file.name for file in self.files if (here / file.name).is_file() and not file.is_published(here / file.name)]
        return packed + [path for path, md5 in self.inner if (here / path).is_file() and _md5(here / path) != md5]

    def _fetch(self, root: Path) -> str:
        """Download with torchvision; returns the error, empty for success."""
        try:
            from torchvision import datasets

            maker = getattr(datasets, self.torchvision)
            with _patience():
                # Only download, since reading would unpickle. The instance has only the attributes that `download` uses.
                fetcher = maker.__new__(maker)
                fetcher.root = str(root)
                fetcher.download()
        except Exception as error:  # no network, no space, an error page instead of the file, gdown not installed
            return error_text(error)
        return ""

    def _told(self, name: str, root: Path, missing: list[File], why: str) -> Iterator[Problem]:
        reason = f" and cannot be downloaded: {why}" if why else ""
        yield Problem(f"vision:{name} needs files that are missing{reason}", "a data set without files: --suite digits")
        for file in missing:
            yield Problem(f"  {file.name}", f"{file.size:,} bytes, md5 {file.md5}")
        yield Problem(f"put them in {root / self.folder}", "or set the directory of your data: suite.root=DIR")


def _all_there(here: Path, file: File) -> bool:
    """Whether the file, or everything that it unpacks to, exists."""
    return all((here / name).exists() for name in file.gives or (file.name,))


def _unpack(name: str, here: Path, file: File) -> None:
    """Unpack a file atomically into its directory."""
    path, most = here / file.name, BOMB * file.size
    partial: Path | None = None
    try:
        if not path.is_file():
            raise ValueError("it is not a regular file")
        if path.suffix == ".gz" and not path.name.endswith(".tar.gz"):
            (target,) = file.gives
            partial = here / f".{target}.unpacking"
            with gzip.open(path) as packed, partial.open("wb") as unpacked:
                while chunk := packed.read(2**20):
                    unpacked.write(chunk)
                    _refuse_bomb(unpacked.tell(), most)
            partial.replace(here / target)
            return
        partial = here / f".{file.name}.unpacking"
        shutil.rmtree(partial, ignore_errors=True)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as packed_zip:
                _refuse_bomb(sum(info.file_size for info in packed_zip.infolist()), most)
                packed_zip.extractall(partial)  # links become files, and no path leads outside
        else:
            with tarfile.open(path) as packed_tar:
                size = 0
                for member in packed_tar:
                    if not (member.isreg() or member.isdir()):
                        raise ValueError(f"{member.name!r} is neither a file nor a folder")  # a link could lead outside
                    _refuse_bomb(size := size + member.size, most)
                    packed_tar.extract(member, partial, filter="data")  # no paths outside the folder
        for top in sorted({Path(given).parts[0] for given in file.gives}):
            if (partial / top).exists() and not (here / top).exists():
                (partial / top).replace(here / top)
    except Exception as error:  # archives are damaged in many ways
        raise UsageError(_damaged(name, path, file, error)) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True) if partial.is_dir() else partial.unlink(missing_ok=True)
    if not _all_there(here, file):
        raise UsageError(_damaged(name, path, file, ValueError(f"it does not contain {file.gives[0]}")))


def _refuse_bomb(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"it unpacks to more than {most:,} bytes")


def _damaged(name: str, path: Path, file: File, error: Exception) -> Problem:
    found = f"{path.stat().st_size:,} bytes, md5 {_md5(path)}" if path.is_file() else "no file"
    seen = f"{found}; published: {file.size:,} bytes, md5 {file.md5}"
    return Problem(f"vision:{name}: {path} cannot be unpacked: {error_text(error)} ({seen})", "remove it, and start again")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def _patience() -> Iterator[None]:
    """Within it, connections without a timeout of their own get one."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _idx(*rows: tuple[str, int, str]) -> tuple[File, ...]:
    return tuple(File(f"{name}.gz", size, md5, (name,)) for name, size, md5 in rows)


def _archive(name: str, size: int, md5: str, inner: tuple[tuple[str, str], ...]) -> File:
    return File(name, size, md5, tuple(path for path, _ in inner))


_CIFAR10 = (
    ("cifar-10-batches-py/data_batch_1", "c99cafc152244af753f735de768cd75f"),
    ("cifar-10-batches-py/data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
    ("cifar-10-batches-py/data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
    ("cifar-10-batches-py/data_batch_4", "634d18415352ddfa80567beed471001a"),
    ("cifar-10-batches-py/data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ("cifar-10-batches-py/test_batch", "40351d587109b95175f43aff81a1287e"),
    ("cifar-10-batches-py/batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
)
_CIFAR100 = (
    ("cifar-100-python/train", "16019d7e3df5f24257cddd939b257f8d"),
    ("cifar-100-python/test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    ("cifar-100-python/meta", "7973b15100ade9c7d40fb424638fde48"),
)

SOURCES = {
    "mnist": ExperienceSource(
        "MNIST",
        "MNIST/raw",
        _idx(
            ("train-images-idx3-ubyte", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    ),
    "fashion_mnist": ExperienceSource(
        "FashionMNIST",
        "FashionMNIST/raw",
        _idx(
            ("train-images-idx3-ubyte", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    ),
    "cifar10": ExperienceSource(
        "CIFAR10", "", (_archive("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a", _CIFAR10),), _CIFAR10
    ),
    "cifar100": ExperienceSource(
        "CIFAR100", "", (_archive("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85", _CIFAR100),), _CIFAR100
    ),
    "celeba": ExperienceSource(
        "CelebA",
        "celeba",
        (
            File("img_align_celeba.zip", 1_443_490_838, "00d2c5bc6d35e252742224ab0c1e8fcb", ("img_align_celeba",)),
            File("list_attr_celeba.txt", 26_721_026, "75e246fa4810816ffd6ee81facbd244c"),
            File("identity_CelebA.txt", 3_424_458, "32bd1bd63d3c78cd57e08160ec5ed1e2"),
            File("list_bbox_celeba.txt", 6_082_035, "00566efa6fedff7a56946cd1c10f1c16"),
            File("list_landmarks_align_celeba.txt", 12_156_055, "cc24ecafdb5b50baae59b03474781f8c"),
            File("list_eval_partition.txt", 2_836_386, "d32c9cbf5e040fd4025c592c306e6668"),
        ),
    ),
}
