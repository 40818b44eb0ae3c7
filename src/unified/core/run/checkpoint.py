"""Checkpoints: directories that are there whole or not at all, every byte checked before it is used, in formats that cannot run code.

```text
checkpoints/000021000/
  manifest.json        what this is and the sha256 of every file, itself included; written last
  <group>.json         the tree of a group of state (packing.py)
  <group>.safetensors  its tensors, if it has any
```
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unified.core.atomic import Written, digest, discard, rename, sync_directory, write_bytes
from unified.core.errors import Problem, UnifiedError
from unified.core.run.jsonl import plain
from unified.core.run.packing import pack, safetensors_buffers, unpack

SCHEMA = 1
MANIFEST = "manifest.json"
_NAME = re.compile(r"(\d{9,})(?:\.(\d+))?")
_TEMPORARY = re.compile(r"\.(?:saving|removing)-[\d.]+-(\d+)")
_GROUP = re.compile(r"[a-z][a-z0-9_]*")


class Damaged(Exception):
    """A checkpoint that cannot be used; says why."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose every file was verified.

    Attributes:
        path: Its directory.
        manifest: What it is: frames, created, best, versions, files, and what the run added (metrics offset, replay cut, …).
        warnings: One line for each newer checkpoint that was passed over because it is damaged.
    """

    path: Path
    manifest: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        return int(self.manifest["frames"])

    @property
    def groups(self) -> list[str]:
        """The groups of state it holds."""
        return sorted(name.removesuffix(".json") for name in self.manifest["files"] if name.endswith(".json"))

    def load(self, group: str) -> Any:
        """The state of a group as it was saved, tensors on the CPU.

        Raises:
            KeyError: If it has no such group.
            UnifiedError: If its files have changed since they were verified.
        """
        if f"{group}.json" not in self.manifest["files"]:
            raise KeyError(f"checkpoint {self.path} has no group {group!r}; it has {', '.join(self.groups)}")
        tensors = {}
        try:
            tree = json.loads(self._read(f"{group}.json"))
            if f"{group}.safetensors" in self.manifest["files"]:
                from safetensors.torch import load

                tensors = load(self._read(f"{group}.safetensors"))
        except Damaged as error:
            raise UnifiedError(f"checkpoint {self.path}: {error}") from error
        return unpack(tree, tensors)

    def _read(self, name: str) -> bytes:
        data = _read(self.path / name)
        _verify(name, self.manifest["files"][name], Written(len(data), hashlib.sha256(data).hexdigest()))
        return data


class Checkpoints:
    """The checkpoints of a run, one directory each, named by their frames.

    Args:
        directory: Where they are; made by the first `save`.
        keep: How many of the newest stay when a new one is saved (at least 1); the best stays in any case.
    """

    def __init__(self, directory: Path, keep: int = 2) -> None:
        self.directory, self.keep = Path(directory), max(1, keep)

    def save(self, frames: int, state: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, best: bool = False) -> Path:
        """Save `state`, by groups. When this returns, the disk has it; when it raises or dies, what was there before is intact.

        Args:
            frames: How far the run is; names the directory.
            state: Group -> any tree that `pack` takes.
            manifest: Further entries of the manifest (JSON-able).
            best: Whether this is the best so far.

        Raises:
            UnifiedError: If it could not be written, a full disk for example.
        """
        needed = 0
        temporary = self.directory / f".saving-{frames:09d}-{os.getpid()}"
        try:
            packed = {group: pack(tree) for group, tree in state.items()}
            needed = sum(tensor.numel() * tensor.element_size() for _, tensors in packed.values() for tensor in tensors.values())
            self.directory.mkdir(parents=True, exist_ok=True)
            self._sweep()
            temporary.mkdir()
            best = best or any(peek(path).get("best") is True for path in self.paths() if _order(path)[0] == frames)  # it takes their place
            self._write(temporary, packed, {**(manifest or {}), "frames": frames, "best": best})
            path = self._publish(temporary, frames)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise self._unwritten(frames, needed, error) from error
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        with contextlib.suppress(OSError):  # what is not removed now is removed next time
            self._prune()
        return path

    def newest(self) -> Checkpoint | None:
        """The newest valid checkpoint; its `warnings` name newer ones that are damaged. ``None`` if there is none at all.

        Raises:
            UnifiedError: If there are some and none is valid: starting from zero in silence is not an answer.
        """
        return self._first_valid(self.paths())

    def older(self, than: Checkpoint) -> Checkpoint | None:
        """The newest valid checkpoint that is older than this one."""
        paths = self.paths()
        return self._first_valid(paths[paths.index(than.path) + 1 :])

    def best(self) -> Checkpoint | None:
        """The valid checkpoint that was the best when it was saved, else the newest valid one; likewise otherwise."""
        paths = self.paths()
        best = [path for path in paths if peek(path).get("best") is True]
        return self._first_valid([*best[:1], *(path for path in paths if path not in best[:1])])

    def at(self, frames: int) -> Checkpoint | None:
        """The checkpoint at these frames, ``None`` if there is none.

        Raises:
            UnifiedError: If it is damaged.
        """
        return self._first_valid([path for path in self.paths() if _order(path)[0] == frames])

    def paths(self) -> list[Path]:
        """All that have a checkpoint's name, newest first; nothing is verified."""
        try:
            found = [path for path in self.directory.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=_order, reverse=True)

    def frames(self) -> list[int]:
        """After how many frames each of `paths` was saved."""
        return [int(path.name.split(".")[0]) for path in self.paths()]

    # Saving ---------------------------------------------------------------------------------------------------------------------

    def _write(self, directory: Path, packed: Mapping[str, tuple[Any, dict[str, Any]]], manifest: dict[str, Any]) -> None:
        import torch

        from unified.version import __version__

        files: dict[str, dict[str, Any]] = {}

        def write(name: str, data: bytes | Iterable[Any]) -> None:
            files[name] = write_bytes(directory / name, data)._asdict()

        for group, (tree, tensors) in packed.items():
            if not _GROUP.fullmatch(group) or group == MANIFEST.removesuffix(".json"):
                raise ValueError(f"{group!r} cannot name a group of state: small letters, digits and underscores can, and not 'manifest'")
            if tensors:
                write(f"{group}.safetensors", safetensors_buffers(tensors))
            write(f"{group}.json", json.dumps(tree).encode())
        versions = {"unified": __version__, "torch": torch.__version__, "python": ".".join(map(str, sys.version_info[:3]))}
        whole = {
            **manifest,
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {**manifest.get("versions", {}), **versions},
            "files": files,
        }
        whole = json.loads(json.dumps(whole, default=plain))  # as it will be read: what is signed is what is there
        text = json.dumps({**whole, "sha256": _signature(whole)}, indent=1).encode()
        write_bytes(directory / MANIFEST, text)
        sync_directory(directory)

    def _publish(self, temporary: Path, frames: int) -> Path:
        """Give the finished directory its name. A checkpoint of the same frames makes way only after this one is in place."""
        target = self.directory / f"{frames:09d}"
        before = [path for path in self.paths() if _order(path)[0] == frames]
        if not before:
            rename(temporary, target)
            return target
        latest = target.with_name(f"{frames:09d}.{_order(before[0])[1] + 1}")
        rename(temporary, latest)
        for path in before:
            self._discard(path)
        rename(latest, target)
        return target

    def _prune(self) -> None:
        paths = self.paths()
        best = next((path for path in paths if peek(path).get("best") is True), None)
        for path in paths[self.keep :]:
            if path != best:
                self._discard(path)

    def _discard(self, path: Path) -> None:
        discard(path, self.directory / f".removing-{path.name}-{os.getpid()}")

    def _sweep(self) -> None:
        """Remove what saving left behind when it died: directories with our names, of this process or of one that is gone."""
        for path in self.directory.glob(".*-*-*"):
            match = _TEMPORARY.fullmatch(path.name)
            if match and (int(match[1]) == os.getpid() or not _alive(int(match[1]))):
                shutil.rmtree(path, ignore_errors=True)

    def _unwritten(self, frames: int, needed: int, error: OSError) -> UnifiedError:
        free = "unknown"
        with contextlib.suppress(OSError):
            free = _megabytes(shutil.disk_usage(self.directory).free)
        last = next((f"the checkpoint at {_order(path)[0]:,} frames is intact" for path in self.paths()), "there was none before it")
        return UnifiedError(
            Problem(
                f"the checkpoint at {frames:,} frames could not be written to {self.directory}: {error.strerror or error} "
                f"(needs about {_megabytes(needed)}, free {free}); {last}",
                "make room, then run the same command again",
            )
        )

    # Finding --------------------------------------------------------------------------------------------------------------------

    def _first_valid(self, paths: list[Path]) -> Checkpoint | None:
        warnings: list[str] = []
        for path in paths:
            try:
                return Checkpoint(path, _verified_manifest(path), tuple(warnings))
            except Damaged as error:
                warnings.append(f"checkpoint {path.name} is damaged and passed over: {error}")
        if not warnings:
            return None
        raise UnifiedError(
            Problem(f"no checkpoint in {self.directory} can be used", "to start again from zero, move the run's directory away"),
            *warnings,
        )


def _verified_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, after every byte was read and compared."""
    try:
        manifest = json.loads(_read(path / MANIFEST))
        signature = manifest.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{MANIFEST} cannot be read") from error
    if _signature(manifest) != signature:
        raise Damaged(f"{MANIFEST} does not match its checksum")
    if manifest["schema"] != SCHEMA:
        raise Damaged(
            f"it was written in format {manifest['schema']} by unified {manifest['versions']['unified']}; this one reads format {SCHEMA}"
        )
    for name, facts in manifest["files"].items():
        try:
            found = digest(path / name)
        except OSError as error:
            raise Damaged(f"{name}: {error.strerror or error}") from error
        _verify(name, facts, found)
    return dict(manifest)


def _verify(name: str, facts: Mapping[str, Any], found: Written) -> None:
    if found.size != facts["size"]:
        raise Damaged(f"{name} has {found.size:,} bytes instead of {facts['size']:,}")
    if found.sha256 != facts["sha256"]:
        raise Damaged(f"{name} does not match its checksum")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path.name}: {error.strerror or error}") from error


def _signature(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def peek(path: Path) -> dict[str, Any]:
    """The manifest, unverified; empty if it cannot be read."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _order(path: Path) -> tuple[int, int]:
    """Frames, and which one of these frames: by this the newest is found, whatever the clocks say."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2] or 0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
