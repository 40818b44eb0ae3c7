"""Replays under a name, or of a run: written, and loaded into another run. They are never changed, never deleted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unified.core.base.errors import Problem, UsageError
from unified.core.base.files import digest, rename, replace
from unified.core.replay.saved_index import INDEX, check_free, read_index
from unified.core.replay.segments import Cut, check_columns, load_rows, verify

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store


def write_index(directory: Path, cut: Cut, about: Mapping[str, Any]) -> None:
    """Say in ``index.json`` what the directory holds, in one atomic step."""
    replace(directory / INDEX, json.dumps({**about, "cut": cut}).encode())


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
                digest(temporary / entry["file"], sync=True)
        verify(temporary, cut, contents=False)
        write_index(temporary, cut, about)
        rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def load_kept(store: Store, directory: Path, stack: int) -> None:
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
