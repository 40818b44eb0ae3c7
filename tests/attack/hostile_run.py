"""Malformed contents with valid checksums: what somebody may write into the files of a run that is then listed, shown or resumed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attack import common

#: Changes a run below the current directory.
Change = Callable[[Path], Any]
DEEP = b"[" * 100_000 + b"]" * 100_000
HUGE = 10**400
SEGMENT = "segment-000001.safetensors"


def checkpoints(run: Path) -> list[Path]:
    return sorted(path for path in (run / "checkpoints").iterdir() if path.name.isdigit())


def forged(checkpoint: Path, change: Callable[[dict[str, Any]], Any], **files: bytes) -> None:
    """Change the manifest of a checkpoint and the contents of files; all checksums are valid again."""
    manifest = json.loads((checkpoint / "manifest.json").read_bytes())
    del manifest["sha256"]
    for name, data in files.items():
        name = name.replace("_json", ".json").replace("_safetensors", ".safetensors")
        (checkpoint / name).write_bytes(data)
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    changed = change(manifest)
    manifest = changed if isinstance(changed, dict) else manifest
    signature = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (checkpoint / "manifest.json").write_text(json.dumps({**manifest, "sha256": signature}))


def nothing(manifest: dict[str, Any]) -> None:
    pass


def put(name: str, data: bytes) -> Change:
    return lambda run: (run / name).write_bytes(data)


def row(**values: Any) -> Change:
    """Append a row of metrics."""
    usual = {"kind": "evaluate", "frames": 90, "steps": 90, "updates": 10, "return": 9.0}
    line = {key: value for key, value in {**usual, **values}.items() if value is not Ellipsis}
    return lambda run: _append(run / "metrics.jsonl", json.dumps(line).encode())


def event(**values: Any) -> Change:
    return lambda run: _append(run / "events.jsonl", json.dumps({"time": "2026", **values}).encode())


def _append(path: Path, line: bytes) -> None:
    # In front: rows after the offset of the newest checkpoint are cut off.
    path.write_bytes(line + b"\n" + path.read_bytes() + line + b"\n")


def node(name: str, kind: str) -> Change:
    """Something else in place of a file."""

    def change(run: Path) -> None:
        path = run / name
        if path.is_file():
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        elif kind == "socket":
            here = os.getcwd()
            os.chdir(path.parent)
            socket.socket(socket.AF_UNIX).bind(path.name)
            os.chdir(here)
        else:
            path.symlink_to({"link": Path("precious").absolute(), "zero": Path("/dev/zero"), "loop": path.absolute()}[kind])

    return change


def every(change: Callable[[Path], Any], newest: bool) -> Change:
    """Change the newest checkpoint, or all of them."""
    return lambda run: [change(path) for path in (checkpoints(run)[-1:] if newest else checkpoints(run))]


def manifests() -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """Changes of a checkpoint."""
    yield "manifest empty", lambda path: forged(path, lambda manifest: {"": 0})
    for key in ("schema", "files", "frames", "replay", "spec", "steps", "metrics_offset", "components", "config", "best", "versions"):
        yield f"manifest without {key}", lambda path, key=key: forged(path, lambda manifest: manifest.pop(key, None) and None)
        for value in ("x", -5, [], {}, None, 1e308, HUGE, [["x"]]):
            change = lambda path, key=key, value=value: forged(path, lambda manifest: manifest.update({key: value}))  # noqa: E731
            yield f"manifest with {key}={value!r:.12}", change
    yield "manifest deep", lambda path: (path / "manifest.json").write_bytes(DEEP)
    yield "manifest names /dev/zero", lambda path: forged(path, _named("/dev/zero"))
    yield "manifest names a file outside", lambda path: forged(path, _named("../../../../../../../precious"))
    yield "manifest with a negative size", lambda path: forged(path, lambda manifest: manifest["files"]["trainer.json"].update(size=-1))
    for group in ("parameters", "optimizer", "trainer", "collector", "replay", "callbacks"):
        contents = {
            "{}": b"{}",
            "null": b"null",
            "[]": b"[]",
            "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
            "deep": DEEP,
            "deep but read": b'{"a":' * 900 + b"1" + b"}" * 900,
            "unknown tag": b'{"$":"eval","value":"1"}',
            "array of objects": b'{"$":"array","key":"x","dtype":"O","shape":[2]}',
            "dtype load": b'{"$":"tensor","key":"x","dtype":"load","shape":[1]}',
            "tuple of nothing": b'{"$":"tuple"}',
        }
        for name, data in contents.items():
            yield f"{group}.json: {name}", lambda path, group=group, data=data: forged(path, nothing, **{f"{group}_json": data})
    for group in ("parameters", "optimizer"):
        headers = {
            "header 2^63": (2**63).to_bytes(8, "little") + b"{}",
            "header longer than the file": (10**6).to_bytes(8, "little") + b"{}",
            "empty": b"",
            "shape 2^40": _header({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}) + bytes(4),
        }
        for name, data in headers.items():
            yield (
                f"{group}.safetensors: {name}",
                lambda path, group=group, data=data: forged(path, nothing, **{f"{group}_safetensors": data}),
            )
    for key, value in (("credit", 1e308), ("credit", -1.0), ("steps", 2**62), ("steps", "x"), ("last", 5), ("elapsed", "x")):
        yield f"clock {key}={value}", lambda path, key=key, value=value: _clock(path, key, value)
    for key, value in (
        *(("head", [1e300]), ("head", [2**62]), ("head", "x"), ("tail", [-1]), ("open", [5]), ("columns", {}), ("columns", {"obs": 5})),
        *(("segments", [5]), ("segments", [{}]), ("schema", "x"), ("head", [5, 5])),
    ):
        yield (
            f"cut {key}={value}",
            lambda path, key=key, value=value: forged(path, lambda manifest: manifest["replay"].update({key: value})),
        )
    for key, value in (
        ("file", "/dev/zero"),
        ("file", "../metrics.jsonl"),
        ("file", 5),
        ("rows", [[7, 0, 5]]),
        ("rows", [[0, 0, 2**62]]),
        ("bytes", -1),
    ):
        change = lambda path, key=key, value=value: forged(path, lambda manifest: manifest["replay"]["segments"][0].update({key: value}))  # noqa: E731
        yield f"segment {key}={value}", change


def _named(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda manifest: manifest["files"].update({name: {"size": 10**12, "sha256": ""}})


def _header(header: dict[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def _clock(path: Path, key: str, value: Any) -> None:
    tree = json.loads((path / "trainer.json").read_bytes())
    assert key in tree["clock"]
    tree["clock"][key] = value
    forged(path, nothing, trainer_json=json.dumps(tree).encode())


def cases() -> Iterator[tuple[str, Change]]:
    """All cases: what is changed, and the change."""
    files = ("config.json", "metrics.jsonl", "events.jsonl", "run.lock", "error.txt", "replay/index.json", f"replay/{SEGMENT}")
    for name in files:
        for kind in ("pipe", "directory", "socket", "link", "zero", "loop"):
            yield f"{name} is a {kind}", node(name, kind)
    for name in ("config.json", "metrics.jsonl", "events.jsonl", "run.lock", "replay/index.json"):
        for what, data in {
            "deep": DEEP,
            "empty": b"",
            "binary": bytes(range(256)),
            "null": b"null\n",
            "a list": b"[1]\n",
            "5": b"5\n",
        }.items():
            yield f"{name}: {what}", put(name, data)
    for key in ("frames", "kind", "metric", "return", "steps", "updates", "return_sd", "return_min", "episodes"):
        for value in ("x", None, [1], {"a": 1}, float("inf"), float("-inf"), HUGE, -1, 1e308, True, ...):
            yield f"metrics: {key}={value!r:.12}", row(**{key: value})
    for value in ([], {}, None, 5, "components", "speed", "evaluate", "config", "warning"):
        yield f"event {value!r}", event(event=value, components=5, frames="x", elapsed_s=[], sha256={}, message={"a": [1]})
    for key, value in (
        ("train", 5),
        ("train", {"frames": "x"}),
        ("agent", []),
        ("suite", 5),
        ("seed", "x"),
        ("callbacks", {"a": 1}),
        ("root", 5),
    ):
        yield f"config {key}={value}", lambda run, key=key, value=value: _config(run, key, value)
    for name, change in manifests():
        yield f"newest: {name}", every(change, newest=True)
        yield f"all: {name}", every(change, newest=False)


def _config(run: Path, key: str, value: Any) -> None:
    tree = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**tree, key: value}))


def attack(seed: int, count: int, work: Path) -> Iterator[common.Outcome]:
    """Each change of a stopped run, then every command that reads it."""
    common.warm(*common.EVERYTHING)
    source, chosen = common.stopped(work), list(cases())
    random.Random(seed).shuffle(chosen)
    for number, (name, change) in enumerate(chosen[: count or None]):
        with common.copied(source, work / f"case-{number}") as place:
            (place / "precious").write_text("precious")
            here = os.getcwd()
            os.chdir(place)
            try:
                change(common.RUN)
            finally:
                os.chdir(here)
            # Plots read metrics and configuration only.
            reading = [words for words in common.READING if words[0] != "plot" or not name.startswith(("newest: ", "all: "))]
            yield name, _case(place, reading)


def _case(place: Path, reading: Sequence[Sequence[str]]) -> str:
    for words in reading:
        ended = common.forked(common.unified(*words), place)
        if ended.fault:
            return f"{words[0]} {words[1]}: {ended.fault}"
        if words[1] == "list" and ended.status:
            return f"runs list: exit code {ended.status}: {ended.text[-200:]}"
        if (place / "precious").read_text() != "precious":
            return f"{words[0]}: wrote outside"
    return ""
