"""Replays that are kept under a name, or lie in a run, and can be loaded into another run. They are read, never changed, never deleted."""

from __future__ import annotations

import difflib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.errors import Problem, UsageError
from unified.core.replay.segments import INDEX, Cut, check_columns, checksum, load_rows, sync_directory, verify

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store


def write_index(directory: Path, cut: Cut, about: Mapping[str, Any]) -> None:
    """Say in ``index.json`` what the directory holds, in one atomic step."""
    temporary = directory / (INDEX + ".tmp")
    with temporary.open("w") as file:
        json.dump({**about, "cut": cut}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(directory / INDEX)
    sync_directory(directory)


def read_index(directory: Path) -> dict[str, Any]:
    """What ``index.json`` says."""
    try:
        index: dict[str, Any] = json.loads((directory / INDEX).read_text())
        if not isinstance(index["cut"]["segments"], list):
            raise ValueError("no segments")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(Problem(f"{directory / INDEX} cannot be read: {error}", "put back a copy of it")) from error
    return index


def saved_names(root: str | Path) -> list[str]:
    """Names of the replays saved under a root of runs."""
    return sorted(path.parent.name for path in Path(root, "replays").glob(f"*/{INDEX}"))


def check_free(root: str | Path, name: str, source: str | Path) -> None:
    """Refuse a name that cannot be saved under: ill-formed, or taken by the replay of another run than `source`.

    Raises:
        UsageError: At the start of a run rather than at its end.
    """
    if name != Path(name).name or name.startswith("."):
        raise UsageError(Problem(f"replay.save={name} is no name", "a name without slashes that does not start with a dot"))
    target = Path(root, "replays", name)
    if target.exists() and not ((target / INDEX).is_file() and read_index(target).get("source") == str(Path(source).absolute())):
        raise UsageError(Problem(f"replay.save={name} exists in {target}", "another name; a saved replay is never written over"))


def save(source: Path, cut: Cut, about: Mapping[str, Any], root: str | Path, name: str) -> Path:
    """Keep the segments of a cut, which lie in `source`, as ``<root>/replays/<name>``: linked where the file system can, else copied.

    Saving the same cut of the same run again changes nothing.

    Raises:
        UsageError: If the name is taken.
    """
    check_free(root, name, about["source"])
    target = Path(root, "replays", name)
    if target.exists():
        if read_index(target)["cut"] == cut:
            return target
        raise UsageError(Problem(f"replay.save={name} exists in {target}", "another name; a saved replay is never written over"))
    temporary = target.with_name(f".{name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for entry in cut["segments"]:
            try:
                os.link(source / entry["file"], temporary / entry["file"])
            except OSError:
                shutil.copyfile(source / entry["file"], temporary / entry["file"])
                checksum(temporary / entry["file"], sync=True)
        verify(temporary, cut, contents=False)
        write_index(temporary, cut, about)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_directory(target.parent)
    return target


def find_named(root: str | Path, name: str) -> Path:
    """The directory of a replay: a saved name, the name of a run under `root`, or the path of either.

    Raises:
        UsageError: If there is none, with the names there are.
    """
    root = Path(root)
    for directory in (root / "replays" / name, root / name / "replay", Path(name), Path(name) / "replay"):
        if (directory / INDEX).is_file():
            return directory
    names = saved_names(root)
    close = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        Problem(
            f"replay.load={name}: there is no such replay", f"{hint}saved in {root}: {', '.join(names) or 'none'}; or the path of a run"
        )
    )


def named_spec(root: str | Path, name: str) -> dict[str, Any]:
    """What the task of a kept replay looks like, as `Spec.to_json` says it."""
    spec: dict[str, Any] = read_index(find_named(root, name))["spec"]
    return spec


def named_rows(root: str | Path, name: str) -> int:
    """Slots that a kept replay holds."""
    cut = read_index(find_named(root, name))["cut"]
    return int(sum(head - tail for head, tail in zip(cut["head"], cut["tail"], strict=True)))


def load_named(store: Store, directory: Path, stack: int) -> None:
    """Append the rows of a kept replay to the lanes of a store, as many of the newest as fit; its lanes go to ours in turn.

    Episodes that went on count as cut off by a time limit. Of an episode whose first slots are no longer there, those that would need them
    for a `stack` begin no row.

    Raises:
        UsageError: If the rows do not fit the store's columns.
        DamagedSegment: If a file is missing or not what it was.
    """
    cut = read_index(directory)["cut"]
    check_columns(store, cut, str(directory))
    tail, head, ours_head = np.array(cut["tail"], np.int64), np.array(cut["head"], np.int64), store.head.copy()
    place = [lane % store.lanes for lane in range(len(head))]  # our lane of each of theirs
    shift = np.zeros(len(head), np.int64)  # from their slots to ours
    for lane, ours in enumerate(place):
        shift[lane] = ours_head[ours] - tail[lane]
        ours_head[ours] += head[lane] - tail[lane]
    # The store may have rolled over: rows that would be overwritten at once are left out.
    first = np.array([ours_head[place[lane]] - store.length - shift[lane] for lane in range(len(head))])
    first = np.minimum(np.maximum(first, tail), head)

    def write(lane: int, start: int, columns: Mapping[str, Array]) -> None:
        store.write(place[lane], start + int(shift[lane]), columns)

    load_rows(directory, cut, first, write)
    store.head, store.tail = ours_head, np.maximum(store.tail, ours_head - store.length)
    store.start, store.open = store.head.copy(), np.zeros(store.lanes, bool)
    for lane, ours in enumerate(place):
        _close_off(store, ours, int(first[lane] + shift[lane]), int(head[lane] + shift[lane]), stack)
    store.recount()


def _close_off(store: Store, lane: int, start: int, stop: int, stack: int) -> None:
    """Take the action from the slots whose stacks would reach below `start`, where rows of something else may lie."""
    slots = np.arange(start, min(start + stack - 1, stop))
    index = store.index(lane, slots)
    cut_off = store.data["step"][index] > slots - start
    store.data["last"][index[cut_off]] = True
