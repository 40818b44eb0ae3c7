"""Checkpoints: directories that are complete or absent, with checksums of all files, in formats that cannot run code.

```text
checkpoints/000021000/
  manifest.json        description and the SHA-256 of every file, including itself; written last
  <group>.json         the tree of a group of state (serialization.py)
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
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unified.core.base.errors import Damaged, Problem, StorageError, one_line
from unified.core.base.files import (
    conform,
    discard,
    make_directory,
    parse_json,
    read_file,
    read_json,
    reason,
    rename,
    sync_directory,
    write_bytes,
)
from unified.core.base.jsonl import plain
from unified.core.runs import migrations
from unified.core.runs.serialization import pack, safetensors_buffers, unpack

MANIFEST = "manifest.json"
_NAME = re.compile(r"(\d{9,})(?:\.(\d+))?")
_TEMPORARY = re.compile(r"\.(?:saving|removing)-[\d.]+-(\d+)")
_GROUP = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(rf"{_GROUP.pattern}\.(json|safetensors)")
_UNREADABLE = "the version of unified or of the plugin that wrote it, another checkpoint, or a new run: experiment=NAME"


#: What every manifest holds; the entries of a run are checked where they are used.
_SHAPE = {"schema": int, "frames": int, "best": bool, "created": str, "versions": {str: str}, "files": {str: {"size": int, "sha256": str}}}


#: Parts of torch's errors, all of them RuntimeErrors, of a device that failed or has no memory left: the checkpoint is not damaged.
_DEVICE = ("OutOfMemoryError", "AcceleratorError", "out of memory", "allocate memory", "CUDA error", "cuDNN error")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were verified.

    Attributes:
        path: Its directory.
        manifest: Frames, created, best, versions, files, and the entries of the run (metrics offset, replay snapshot, …).
        warnings: One line for each newer checkpoint that was skipped because it is damaged.
    """

    path: Path
    manifest: dict[str, Any]
    warnings: tuple[str, ...] = ()
    #: Contents of verified files, so that no file is read twice; each is removed when it is used.
    _verified: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    #: The groups of a checkpoint of an older schema, migrated.
    _migrated: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def frames(self) -> int:
        return int(self.manifest["frames"])

    @property
    def groups(self) -> list[str]:
        """The groups of its state."""
        if self._migrated is not None:
            return sorted(self._migrated)
        return sorted(name.removesuffix(".json") for name in self.manifest["files"] if name.endswith(".json"))

    def load(self, group: str) -> Any:
        """The state of a group, tensors on the CPU.

        Raises:
            Damaged: If there is no such group, or its files have changed since they were verified.
        """
        if group not in self.groups:
            raise Damaged(Problem(f"checkpoint {self.path} has no part '{group}'; it has {', '.join(self.groups)}", _UNREADABLE))
        if self._migrated is not None:
            return self._migrated[group]
        with self.fitting(group):
            return self._unpack(group)

    @contextlib.contextmanager
    def fitting(self, part: str) -> Iterator[None]:
        """Report errors within the context as damage of this part of the checkpoint: its values do not fit what they are loaded into.

        Raises:
            Damaged: Instead of a missing key, a wrong type or value, or parameters that do not fit a module.
        """
        where = f"the part '{part}' of checkpoint {self.path}"
        try:
            yield
        except KeyError as error:
            raise Damaged(Problem(f"{where} has no {error}", _UNREADABLE)) from error
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and any(sign in f"{type(error).__name__}: {error}" for sign in _DEVICE):
                raise
            raise Damaged(Problem(f"{where} does not fit: {one_line(error)}", _UNREADABLE)) from error

    @contextlib.contextmanager
    def reading(self, group: str) -> Iterator[Any]:
        """The state of a group, or the ``manifest``, in the context `fitting`.

        Raises:
            Damaged: If the state lacks a key that is looked up in the context, or does not fit in another way.
        """
        state = self.manifest if group == "manifest" else self.load(group)
        with self.fitting(group):
            yield state

    def _unpack(self, group: str) -> Any:
        tensors = {}
        tree = parse_json(self._read(f"{group}.json"))
        if f"{group}.safetensors" in self.manifest["files"]:
            from safetensors import SafetensorError
            from safetensors.torch import load

            try:
                tensors = load(self._read(f"{group}.safetensors"))
            except SafetensorError as error:
                raise ValueError(f"{group}.safetensors: {error}") from error
        return unpack(tree, tensors)

    def _read(self, name: str) -> bytes:
        if name in self._verified:
            return self._verified.pop(name)
        return _verified_file(self.path, name, self.manifest["files"][name])

    def _verify(self, groups: Collection[str] | None) -> Checkpoint:
        """Verify the files of these groups (all by default), and migrate the state to the current schema."""
        version = self.manifest["schema"]
        for name, facts in self.manifest["files"].items():
            if groups is None or version != migrations.SCHEMA or name.partition(".")[0] in groups:
                self._verified[name] = _verified_file(self.path, name, facts)
        if version == migrations.SCHEMA:
            return self
        with self.fitting(f"format {version}"):
            state = {group: self._unpack(group) for group in self.groups}
            state = migrations.migrate({**state, "manifest": self.manifest}, version)
        return Checkpoint(self.path, state.pop("manifest"), self.warnings, _migrated=state)


class Checkpoints:
    """The checkpoints of a run, one directory each, named by their frames.

    Args:
        directory: Parent directory; the first `save` creates it.
        keep: Number of newest checkpoints to keep (at least 1), in addition to the best one.
    """

    def __init__(self, directory: Path, keep: int = 2) -> None:
        self.directory, self.keep = Path(directory), max(1, keep)

    def save(self, frames: int, state: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, best: bool = False) -> Path:
        """Save a checkpoint. The disk has it on return; after an error or a crash, older checkpoints are intact.

        Args:
            frames: Frames of the run, which name the directory.
            state: Trees for `pack`, by group.
            manifest: Further entries of the manifest, as plain data.
            best: Whether its score is the best.

        Raises:
            StorageError: If it cannot be written, on a full disk for example.
        """
        needed = 0
        temporary = self.directory / f".saving-{frames:09d}-{os.getpid()}"
        try:
            packed = {group: pack(tree) for group, tree in state.items()}
            needed = sum(tensor.numel() * tensor.element_size() for _, tensors in packed.values() for tensor in tensors.values())
            make_directory(self.directory)
            self._sweep()
            temporary.mkdir()
            best = best or any(peek(path).get("best") is True for path in self.paths() if _order(path)[0] == frames)  # it replaces them
            self._write(temporary, packed, {**(manifest or {}), "frames": frames, "best": best})
            path = self._publish(temporary, frames)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise self._unwritten(frames, needed, error) from error
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        with contextlib.suppress(OSError):  # the next call removes what remains
            self._prune()
        return path

    def newest(self, groups: Collection[str] | None = None) -> Checkpoint | None:
        """The newest valid checkpoint; its `warnings` name damaged newer ones. ``None`` if there are no checkpoints.

        Args:
            groups: Groups to load; the files of other groups are not read. All by default.

        Raises:
            StorageError: If all checkpoints are damaged, so that a run does not silently restart from zero.
        """
        return self._first_valid(self.paths(), groups)

    def newest_manifest(self) -> dict[str, Any]:
        """The newest valid manifest; empty if there is none. The other files are not read."""
        for path in self.paths():
            with contextlib.suppress(Damaged):
                return _manifest(path)
        return {}

    def older(self, than: Checkpoint) -> Checkpoint | None:
        """The newest valid checkpoint that is older than this one."""
        paths = self.paths()
        return self._first_valid(paths[paths.index(than.path) + 1 :])

    def best(self, groups: Collection[str] | None = None) -> Checkpoint | None:
        """The valid checkpoint with the best score, else the newest valid one; otherwise as `newest`."""
        paths = self.paths()
        best = [path for path in paths if peek(path).get("best") is True]
        return self._first_valid([*best[:1], *(path for path in paths if path not in best[:1])], groups)

    def at(self, frames: int, groups: Collection[str] | None = None) -> Checkpoint | None:
        """The checkpoint at these frames, ``None`` if there is none.

        Raises:
            StorageError: If it is damaged.
        """
        return self._first_valid([path for path in self.paths() if _order(path)[0] == frames], groups)

    def paths(self) -> list[Path]:
        """All directories with the name of a checkpoint, newest first; not verified. Links do not count."""
        try:
            found = [path for path in self.directory.iterdir() if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=_order, reverse=True)

    def frames(self) -> list[int]:
        """Frames of each of `paths`."""
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
            "schema": migrations.SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {**manifest.get("versions", {}), **versions},
            "files": files,
        }
        whole = json.loads(json.dumps(whole, default=plain))  # as it will be read, so that the signature matches
        text = json.dumps({**whole, "sha256": _signature(whole)}, indent=1).encode()
        write_bytes(directory / MANIFEST, text)
        sync_directory(directory)

    def _publish(self, temporary: Path, frames: int) -> Path:
        """Rename the finished directory. A checkpoint of the same frames is removed only afterwards."""
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
        """Remove temporary directories of this process or of dead processes."""
        for path in self.directory.glob(".*-*-*"):
            match = _TEMPORARY.fullmatch(path.name)
            if match and (int(match[1]) == os.getpid() or not _alive(int(match[1]))):
                shutil.rmtree(path, ignore_errors=True)

    def _unwritten(self, frames: int, needed: int, error: OSError) -> StorageError:
        free = "unknown"
        with contextlib.suppress(OSError):
            free = _megabytes(shutil.disk_usage(self.directory).free)
        last = next((f"the checkpoint at {_order(path)[0]:,} frames is intact" for path in self.paths()), "there is no older one")
        return StorageError(
            Problem(
                f"the checkpoint at {frames:,} frames could not be written to {self.directory}: {error.strerror or error} "
                f"(needs about {_megabytes(needed)}, free {free}); {last}",
                "free some space, then run the same command again",
            )
        )

    # Finding --------------------------------------------------------------------------------------------------------------------

    def _first_valid(self, paths: list[Path], groups: Collection[str] | None = None) -> Checkpoint | None:
        warnings: list[str] = []
        for path in paths:
            try:
                return Checkpoint(path, _manifest(path), tuple(warnings))._verify(groups)
            except Damaged as error:
                warnings.append(f"checkpoint {path.name} is damaged and skipped: {error.problems[0].message}")
        if not warnings:
            return None
        raise StorageError(
            Problem(f"no checkpoint in {self.directory} can be used", "to start again from zero, move the run's directory away"),
            *warnings,
        )


def _manifest(path: Path) -> dict[str, Any]:
    """The verified manifest of a checkpoint."""
    try:
        manifest: dict[str, Any] = read_json(path / MANIFEST, {"sha256": str})
        signature = manifest.pop("sha256")
        if _signature(manifest) != signature:
            raise Damaged(f"{path / MANIFEST} does not match its checksum")
        schema, last = manifest.get("schema"), migrations.SCHEMA
        if schema != last and schema not in migrations.MIGRATIONS:
            by = conform(manifest, {"versions": {str: str}})["versions"].get("unified", "?")
            raise Damaged(f"it was written in format {schema} by unified {by}; this one reads format {last}")
        conform(manifest, _SHAPE)
        conform(manifest.get("config", {}), {})
    except OSError as error:
        raise Damaged(reason(error)) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise Damaged(f"{path / MANIFEST} cannot be read: {error}") from error
    if odd := [name for name in manifest["files"] if not _FILE.fullmatch(name)]:
        raise Damaged(f"{path / MANIFEST} names {odd[0]!r}, which is not the name of a checkpoint's file")
    return manifest


def _verified_file(path: Path, name: str, facts: Mapping[str, Any]) -> bytes:
    """The verified content of a file."""
    try:
        data = read_file(path / name, limit=max(facts["size"], 0))
    except OSError as error:
        raise Damaged(reason(error)) from error
    if len(data) != facts["size"]:
        raise Damaged(f"{path / name} has {len(data):,} bytes instead of {facts['size']:,}")
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise Damaged(f"{path / name} does not match its checksum")
    return data


def _signature(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def peek(path: Path) -> dict[str, Any]:
    """The manifest without verification; empty if it cannot be read."""
    try:
        manifest: dict[str, Any] = read_json(path / MANIFEST, {})
    except (OSError, ValueError):
        return {}
    return manifest


def _order(path: Path) -> tuple[int, int]:
    """Order of checkpoints: frames, then the number among checkpoints of the same frames."""
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
