"""Sealed segments: the rows of a store in append-only files with checksums, and the cut that says which of them belong to a checkpoint.

A file is written once, under a number that was never used, and never changed; rows that are sealed again (an episode's newest slot waits
for its action, a discarded episode is overwritten) stand in a later file, and files are loaded in order. So every older cut stays loadable.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from unified.core.base.cores import usable_cores
from unified.core.base.errors import Damaged, Problem, StorageError, UsageError
from unified.core.base.files import conform, digest, make_directory, read_file, reason, rename, write_bytes
from unified.core.replay.saved_index import read_index

if TYPE_CHECKING:
    from unified.core.replay.store import Array, Store

Snapshot = dict[str, Any]
#: Most bytes of one file, about.
SEGMENT_BYTES = 256_000_000
COUNTERS = ("head", "tail", "start", "open")
SCHEMA = 1
_HINT = "put back a copy of it, resume a checkpoint older than it, or start anew with experiment=NAME"

_NAME = re.compile(r"segment-\d+\.safetensors")
_SEGMENT = {"file": str, "sha256": str, "bytes": int, "rows": [(int, int, int)]}
_SHAPE = {"schema": int, "columns": {str: ([int], str)}, "head": [int], "tail": [int], "start": [int], "open": [bool]}


def flush(store: Store, directory: str | Path, known: Sequence[Mapping[str, Any]], segment_bytes: int = SEGMENT_BYTES) -> Snapshot:
    """Write the slots that are new or changed since the last seal, and return the cut: JSON data that names all that it takes to restore.

    Args:
        store: Whose slots are written; it remembers up to where.
        directory: Of the files.
        known: The segments of the last cut.
        segment_bytes: Most bytes of a file, about.

    Raises:
        StorageError: If the files cannot be written; then none is left behind, and the store is as it was.
    """
    directory = Path(directory)
    entries: list[dict[str, Any]] = []
    try:
        make_directory(directory)
        number = 1 + max((int(path.stem.rpartition("-")[2]) for path in directory.glob("segment-*.safetensors")), default=0)
        for ranges in _chunks(store, max(segment_bytes // store.slot_bytes, 1)):
            entries.append(_write(store, directory / f"segment-{number + len(entries):06d}.safetensors", ranges))
    except OSError as error:
        with contextlib.suppress(OSError):
            for entry in entries:
                (directory / entry["file"]).unlink(missing_ok=True)
        hint = "free some space; what was saved before is intact"
        raise StorageError(Problem(f"the replay could not be saved in {directory}: {reason(error)}", hint)) from error
    store.flushed = store.head.copy()
    needed = [dict(entry) for entry in (*known, *entries) if any(stop > store.tail[env_id] for env_id, _, stop in entry["rows"])]
    return {
        "schema": SCHEMA,
        "columns": {name: [list(column.shape), column.dtype] for name, column in store.columns.items()},
        **{name: getattr(store, name).tolist() for name in COUNTERS},
        "segments": needed,
    }


def _chunks(store: Store, limit: int) -> Iterator[list[tuple[int, int, int]]]:
    """The unsealed slots as lists of (lane, start, stop) with at most `limit` slots each."""
    chunk: list[tuple[int, int, int]] = []
    room = limit
    for env_id in range(store.num_envs):
        start, head = int(max(store.flushed[env_id], store.tail[env_id])), int(store.head[env_id])
        while start < head:
            stop = min(start + room, head)
            chunk.append((env_id, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield chunk
                chunk, room = [], limit
    if chunk:
        yield chunk


def _write(store: Store, path: Path, ranges: list[tuple[int, int, int]]) -> dict[str, Any]:
    pieces: dict[str, list[Array]] = {name: [] for name in store.columns}
    for env_id, start, stop in ranges:
        for name, found in store.read(env_id, start, stop).items():
            pieces[name] += found
    temporary = path.with_suffix(".tmp")
    try:
        columns = {name: np.concatenate(found) for name, found in pieces.items()}
        written = write_bytes(temporary, save(columns, {"rows": json.dumps(ranges)}))
        rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return {"file": path.name, "sha256": written.sha256, "bytes": written.size, "rows": [list(piece) for piece in ranges]}


def restore(store: Store, directory: str | Path, snapshot: Mapping[str, Any]) -> None:
    """Bring the store to what it was at the cut; rows and files beyond it are not looked at.

    Raises:
        Damaged: If the snapshot is malformed, or a file is missing or was changed; the store is then empty.
        UsageError: If the store has other columns or lanes than the cut.
    """
    check_snapshot(snapshot, f"the replay's snapshot in {directory}")
    check_columns(store, snapshot, str(directory))
    if len(snapshot["head"]) != store.num_envs:
        raise UsageError(
            Problem(
                f"the saved replay is of {len(snapshot['head'])} environments, not {store.num_envs}",
                f"train.num_envs={len(snapshot['head'])}",
            )
        )
    store.clear()
    head = np.array(snapshot["head"], np.int64)
    tail = np.maximum(np.array(snapshot["tail"], np.int64), head - store.length)

    def write(env_id: int, start: int, columns: Mapping[str, Array]) -> None:
        store.write(env_id, start, columns)

    load_rows(directory, snapshot, tail, write)
    store.head, store.tail = head, tail
    store.start, store.open = np.array(snapshot["start"], np.int64), np.array(snapshot["open"], bool)
    store.flushed = head.copy()
    store.recount()


def load_rows(
    directory: str | Path, snapshot: Mapping[str, Any], tail: Array, write: Callable[[int, int, Mapping[str, Array]], None]
) -> None:
    """Call ``write(lane, start, columns)`` for each run of slots of the cut that lies within `tail` and the cut's heads, in order."""
    for entry, columns in _read_ahead(directory, snapshot):
        offset = 0
        for env_id, start, stop in entry["rows"]:
            low, high = max(start, int(tail[env_id])), min(stop, snapshot["head"][env_id])
            if low < high:
                run = slice(offset + low - start, offset + high - start)
                write(env_id, low, {name: values[run] for name, values in columns.items()})
            offset += stop - start


def _read_ahead(directory: str | Path, snapshot: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, Array]]]:
    """Each segment of the cut with its columns, in order. Several are read and checked at once, on as many threads as cores up to four."""
    threads = min(usable_cores(), 4)
    ahead: deque[Future[dict[str, Array]]] = deque()
    with ThreadPoolExecutor(threads, "segment") as pool:
        try:
            for number, entry in enumerate(snapshot["segments"]):
                for next_entry in snapshot["segments"][number + len(ahead) : number + threads]:
                    ahead.append(pool.submit(read_segment, directory, next_entry, snapshot["columns"]))
                yield entry, ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_segment(directory: str | Path, entry: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Array]:
    """The columns of one file, after its checksum was found right.

    Raises:
        Damaged: If it is missing or not what was written.
    """
    path = Path(directory) / entry["file"]
    try:
        data = read_file(path, limit=entry["bytes"])
    except FileNotFoundError:
        raise _damaged(path, "is missing") from None
    except OSError as error:
        raise _damaged(path, error.strerror or "cannot be read") from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _damaged(path, f"is cut short ({len(data):,} of {entry['bytes']:,} bytes)" if len(data) < entry["bytes"] else "was changed")
    try:
        columns: dict[str, Array] = load(data)
    except (SafetensorError, ValueError) as error:
        raise _damaged(path, f"is malformed: {error}") from error
    rows = sum(stop - start for _, start, stop in entry["rows"])
    found = {name: [list(values.shape), values.dtype.name] for name, values in columns.items()}
    if found != {name: [[rows, *shape], dtype] for name, (shape, dtype) in expected.items()}:
        raise _damaged(path, "has other columns or rows than the snapshot says")
    return columns


def verify(directory: str | Path, snapshot: Mapping[str, Any], contents: bool = True) -> None:
    """Look at the files of a cut without loading them: their sizes and, with `contents`, their checksums.

    Raises:
        Damaged: If one is missing or not what was written.
    """
    for entry in snapshot["segments"]:
        path = Path(directory) / entry["file"]
        if path.is_symlink() or not path.is_file():
            raise _damaged(path, "is missing")
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise _damaged(path, f"has {size:,} bytes and not {entry['bytes']:,}")
        if contents and digest(path).sha256 != entry["sha256"]:
            raise _damaged(path, "was changed")


def check_snapshot(snapshot: Any, where: str) -> None:
    """Check the form of a snapshot, which is read from a file: types, lanes, counters and the names of files.

    Raises:
        Damaged: If it cannot be one.
    """
    try:
        conform(snapshot, {**_SHAPE, "segments": [_SEGMENT]})
        counters = [snapshot[name] for name in COUNTERS]
        lanes = len(snapshot["head"])
        if any(len(counter) != lanes for counter in counters):
            raise ValueError("its counters are of different numbers of environments")
        if not all(0 <= tail <= head and 0 <= start <= head for head, tail, start, _ in zip(*counters, strict=True)):
            raise ValueError("its counters do not agree")
        for entry in snapshot["segments"]:
            if not _NAME.fullmatch(entry["file"]):
                raise ValueError(f"{entry['file']!r:.100} is no name of a segment")
            if not all(0 <= env_id < lanes and 0 <= start <= stop for env_id, start, stop in entry["rows"]):
                raise ValueError(f"the rows of {entry['file']} are of no environment")
    except ValueError as error:
        raise Damaged(Problem(f"{where} is malformed: {error}", _HINT)) from error


def _damaged(path: Path, what: str) -> Damaged:
    return Damaged(Problem(f"the replay's file {path} {what}", _HINT))


def prune(directory: str | Path, snapshots: Sequence[Mapping[str, Any]]) -> list[str]:
    """Delete the segments that none of the `snapshots` needs, and what dead processes left half-written; returns the names of the files.

    Called by the owner of the run alone; nothing else deletes a segment.
    """
    directory = Path(directory)
    keep = {entry["file"] for snapshot in snapshots for entry in snapshot["segments"]}
    with contextlib.suppress(StorageError):  # the index names the newest cut, whatever the snapshots are
        keep |= {entry["file"] for entry in read_index(directory)["cut"]["segments"]}
    doomed = [path for path in sorted(directory.glob("segment-*")) if path.name not in keep]
    for path in doomed:
        path.unlink()
    return [path.name for path in doomed]


def check_columns(store: Store, snapshot: Mapping[str, Any], where: str) -> None:
    """Refuse a cut whose rows do not fit into the store."""
    theirs = {name: (tuple(shape), dtype) for name, (shape, dtype) in snapshot["columns"].items()}
    ours = {name: (column.shape, column.dtype) for name, column in store.columns.items()}
    unlike = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if unlike:
        listed = "; ".join(f"{name} is {theirs.get(name)} there and {ours.get(name)} here" for name in unlike)
        raise UsageError(Problem(f"the replay in {where} is of another task or agent: {listed}", "the same suite, size and action space"))
