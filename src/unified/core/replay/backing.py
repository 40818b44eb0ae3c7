"""Backings: where the arrays of a store lie. Refuses a capacity that memory or disk cannot hold, before anything is allocated."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.replay.store import Backing, columns_of, slots_of

if TYPE_CHECKING:
    from unified.core.base.spec import Space, Spec
    from unified.core.replay.store import Array

#: Share of the available memory that a replay may take, and what is left besides for networks, batches and environments.
RAM_SHARE, RAM_RESERVE = 0.92, 1_500_000_000
#: Bytes of the disk that are left for checkpoints, videos and everybody else.
DISK_RESERVE = 2_000_000_000
#: Share that can be used in any case: a small replay on a small machine is nobody's trouble.
LEAST_SHARE = 0.25


class RamBacking:
    """Memory that the system commits page by page as it is first written, so that a replay costs what it holds."""

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        return np.zeros(shape, dtype)


class DiskBacking:
    """Memory-mapped files in a directory, for replays larger than memory.

    The files are unnamed: they hold what the running process works on, and are gone with it, however it ends; what lasts is in the
    segments. Their blocks are reserved at once, because a disk that fills up under a mapping kills the process.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        self.directory.mkdir(parents=True, exist_ok=True)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        with tempfile.TemporaryFile(dir=self.directory) as file:
            try:
                reserve(file.fileno(), max(size, 1))
            except OSError as error:
                free = gigabytes(shutil.disk_usage(self.directory).free)
                message = f"the replay's column {name} needs {gigabytes(size)} in {self.directory}: {error.strerror}"
                raise UsageError(Problem(message, f"{free} are free; free some, or give a smaller replay.capacity")) from error
            mapped: np.memmap[Any, Any] = np.memmap(file, np.dtype(dtype), "r+", shape=shape)
        return np.asarray(mapped)  # the subclass costs microseconds at every index, and has nothing we need


def reserve(file: int, size: int) -> None:
    """Give an open file its size, and its blocks on the disk where the system can.

    Raises:
        OSError: If the disk has no room for it.
    """
    try:
        os.posix_fallocate(file, 0, size)
    except AttributeError:
        os.truncate(file, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        os.truncate(file, size)


def make_backing(name: str, directory: str | Path | None) -> Backing:
    """``"ram"`` or ``"disk"``; the latter needs a directory."""
    if name == "ram":
        return RamBacking()
    if name == "disk" and directory is not None:
        return DiskBacking(directory)
    raise UsageError(Problem(f"replay.backing={name}", "replay.backing=ram or replay.backing=disk (in a directory)"))


def choose_backing(
    name: str, spec: Spec, action: Space, capacity: int, num_envs: int, directory: str | Path, extra: Mapping[str, Space] | None = None
) -> str:
    """``"ram"`` or ``"disk"`` for a replay of `capacity` slots; with ``name="auto"`` memory if it fits there, else disk.

    Args:
        name: ``"auto"``, ``"ram"`` or ``"disk"``.
        spec: Of the task.
        action: What is stored of an action.
        capacity: Slots, of all lanes.
        num_envs: Environments.
        directory: Where segments, and the files of a replay on disk, will lie; need not exist yet.
        extra: Further columns.

    Raises:
        UsageError: If the capacity does not fit, with the bytes it needs, those available and the capacity that would fit.
    """
    columns = columns_of(spec.spaces, action, extra)
    return check_capacity(name, sum(column.bytes for column in columns.values()), slots_of(capacity, num_envs), directory)


def check_capacity(name: str, slot_bytes: int, slots: int, directory: str | Path) -> str:
    """The backing that holds `slots` slots of `slot_bytes`; see `choose_backing`.

    On disk the sealed segments take as much again as the store; those that are already there are counted as free.
    """
    if name not in ("auto", "ram", "disk"):
        raise UsageError(Problem(f"replay.backing={name}", "replay.backing=auto, replay.backing=ram or replay.backing=disk"))
    memory, free = available_memory(), available_disk(directory)
    ram = max(int(memory * RAM_SHARE) - RAM_RESERVE, int(memory * LEAST_SHARE))
    disk = max(free - DISK_RESERVE, int(free * LEAST_SHARE))
    needed = slots * slot_bytes
    fits = {"ram": needed <= ram and needed <= disk, "disk": 2 * needed <= disk}
    for backing in ("ram", "disk") if name == "auto" else (name,):
        if fits[backing]:
            return backing
    room = {"ram": min(ram, disk) // slot_bytes, "disk": disk // 2 // slot_bytes}
    raise UsageError(Problem(_why(name, slots, needed, ram, disk), _what_instead(name, fits, room)))


def _why(name: str, slots: int, needed: int, ram: int, disk: int) -> str:
    text = f"replay.capacity={slots} needs {gigabytes(needed)}"
    in_memory, on_disk = f"{gigabytes(ram)} of memory", f"{gigabytes(disk)} of disk"
    if name == "ram" and needed > ram:
        return f"{text} of memory; {in_memory} can be used"
    if name == "ram":
        return f"{text} of disk for its checkpoints; {on_disk} can be used"
    if name == "disk":
        return f"{text}, on disk twice that with its checkpoints; {on_disk} can be used"
    return f"{text}, on disk twice that with its checkpoints; {in_memory} and {on_disk} can be used"


def _what_instead(name: str, fits: dict[str, bool], room: dict[str, int]) -> str:
    other = {"ram": "disk", "disk": "ram"}.get(name)
    hints = [f"replay.backing={other}"] if other and fits[other] else []
    best = max(room.values()) if name == "auto" else room[name]
    if best > 0:
        hints.append(f"replay.capacity={round_down(best)}")
    return " or ".join(hints) or "free some space"


def round_down(number: int) -> int:
    """To two digits, so that it is easily typed."""
    unit: int = 10 ** max(len(str(number)) - 2, 0)
    return number // unit * unit


def available_memory() -> int:
    """Bytes that can be had without swapping, of the machine or of the container's limit."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
        available = int(os.sysconf(pages)) * int(os.sysconf("SC_PAGE_SIZE"))
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())  # "max" is no number: no limit
        used = int((group / "memory.current").read_text())
        cache = next(int(line.split()[1]) for line in (group / "memory.stat").read_text().splitlines() if line.startswith("inactive_file "))
        available = min(available, limit - used + cache)
    except (OSError, StopIteration, ValueError):
        pass
    return available


def available_disk(directory: str | Path) -> int:
    """Bytes free where `directory` is or will be, with those its segments take."""
    directory = Path(directory).absolute()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    ours: int = sum(file.stat().st_size for file in directory.glob("*.safetensors")) if directory.is_dir() else 0
    free: int = shutil.disk_usage(existing).free
    return free + ours


def gigabytes(count: int) -> str:
    """Bytes as a person reads them: 21.3 GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
