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
from unified.core.base.files import digest, make_directory, rename, replace
from unified.core.replay.saved_index import INDEX, check_free, read_index
from unified.core.replay.segments import Snapshot, check_columns, check_snapshot, load_rows, verify

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store


def write_index(directory: Path, snapshot: Snapshot, about: Mapping[str, Any]) -> None:
    """Say in ``index.json`` what the directory holds, in one atomic step."""
    replace(directory / INDEX, json.dumps({**about, "cut": snapshot}).encode())


def save(source: Path, snapshot: Snapshot, about: Mapping[str, Any], root: str | Path, name: str) -> Path:
    """Keep the segments of a cut, which lie in `source`, as ``<root>/replays/<name>``: linked where the file system can, else copied.

    Saving the same cut of the same run again changes nothing.

    Raises:
        UsageError: If the name is taken.
    """
    check_free(root, name, about["source"])
    target = Path(root, "replays", name)
    if target.exists():
        if read_index(target)["cut"] == snapshot:
            return target
        raise UsageError(Problem(f"replay.save={name} exists in {target}", "another name; a saved replay is never written over"))
    temporary = target.with_name(f".{name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    make_directory(temporary)
    try:
        for entry in snapshot["segments"]:
            try:
                os.link(source / entry["file"], temporary / entry["file"])
            except OSError:
                shutil.copyfile(source / entry["file"], temporary / entry["file"])
                digest(temporary / entry["file"], sync=True)
        verify(temporary, snapshot, contents=False)
        write_index(temporary, snapshot, about)
        rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def load_saved(store: Store, directory: Path, stack: int) -> list[tuple[int, int]]:
    """Append the rows of a saved replay to the lanes of a store, as many of the newest as fit; its lanes go to ours in turn.

    Episodes that went on count as cut off by a time limit. Of an episode whose first slots are no longer there, those that would need them
    for a `stack` begin no row.

    Returns:
        Our lane, and the first slot in it, of each episode that went on.

    Raises:
        UsageError: If the rows do not fit the store's columns.
        StorageError: If a file is missing, malformed or not what it was.
    """
    snapshot = read_index(directory)["cut"]
    check_snapshot(snapshot, str(directory / INDEX))
    check_columns(store, snapshot, str(directory))
    tail, head, ours_head = np.array(snapshot["tail"], np.int64), np.array(snapshot["head"], np.int64), store.head.copy()
    place = [env_id % store.num_envs for env_id in range(len(head))]  # our lane of each of theirs
    shift = np.zeros(len(head), np.int64)  # from their slots to ours
    for env_id, ours in enumerate(place):
        shift[env_id] = ours_head[ours] - tail[env_id]
        ours_head[ours] += head[env_id] - tail[env_id]
    # The store may have rolled over: rows that would be overwritten at once are left out.
    first = np.array([ours_head[place[env_id]] - store.length - shift[env_id] for env_id in range(len(head))])
    first = np.minimum(np.maximum(first, tail), head)

    def write(env_id: int, start: int, columns: Mapping[str, Array]) -> None:
        store.write(place[env_id], start + int(shift[env_id]), columns)

    load_rows(directory, snapshot, first, write)
    store.head, store.tail = ours_head, np.maximum(store.tail, ours_head - store.length)
    store.start, store.open = store.head.copy(), np.zeros(store.num_envs, bool)
    for env_id, ours in enumerate(place):
        close_off(store, ours, int(first[env_id] + shift[env_id]), int(head[env_id] + shift[env_id]), stack)
    store.recount()
    went_on = zip(place, snapshot["start"], shift, snapshot["open"], strict=True)
    return [(ours, int(start + moved)) for ours, start, moved, is_open in went_on if is_open]


def close_off(store: Store, env_id: int, start: int, stop: int, stack: int) -> None:
    """Take the action from the slots whose stacks would reach below `start`, where rows of something else may lie."""
    slots = np.arange(start, min(start + stack - 1, stop))
    index = store.index(env_id, slots)
    cut_off = store.data["step"][index] > slots - start
    store.data["last"][index[cut_off]] = True
