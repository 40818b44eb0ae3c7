"""A run is a directory. This module imports no torch, so that listing runs is fast.

```text
<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>/
  config.json      the configuration; itself a recipe
  trust.json       signatures of the code that it names, if any
  run.lock         process that trains it
  metrics.jsonl    metrics, a function of configuration and seed: no times
  events.jsonl     events with times: start, resume, evaluate, checkpoint, speed, warning, stop, finish
  checkpoints/  replay/  videos/  curve.png
```
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base import files as atomic
from unified.core.base.errors import FilesMissing, NotTrusted, Problem, StorageError, UnifiedError, UsageError
from unified.core.base.files import conform, has_shape
from unified.core.base.jsonl import JsonLines
from unified.core.components import trust
from unified.core.runs import lookup, provenance, stored
from unified.core.runs.checkpoint import Checkpoint, Checkpoints, peek
from unified.core.runs.lock import RunLock
from unified.core.runs.preflight import changed_values, differences, jsonable, lacking, refusals

if TYPE_CHECKING:
    from unified.core.config.config import Config

_PHASES = {"start": "interrupted", "resume": "interrupted", "finish": "finished", "stop": "stopped"}
#: Keys of rows of metrics that have numbers as values, and ends of such keys.
_NUMBERS, _STATISTICS = ("steps", "updates", "episodes"), ("_sd", "_min", "_max")
#: Directory of a run with copies of the policies that it loads parts of.
LOADED = "loaded"
#: Most bytes of a name and of a path, and the bytes that the names of files within a run add to its path.
_NAME_MAX, _PATH_MAX, _LONGEST = 255, 4095, 120


class Run:
    """One run directory. Any process may read it; the process that holds the `lock` writes it.

    Args:
        path: The directory.
        config: The composed configuration; by default it is read from ``config.json`` when it is first used.
    """

    def __init__(self, path: Path | str, config: Config | None = None) -> None:
        self.path = Path(path)
        if len(self.path.parts) < lookup.DEPTH:  # "." for example: the names of the directories are the identity of a run
            self.path = self.path.absolute()
        self._config = config
        self._policy_config: Config | None = None
        self._without: list[tuple[str, ...]] = []  # what `configure` left out
        self._metrics = JsonLines(self.path / "metrics.jsonl")
        self._events = JsonLines(self.path / "events.jsonl")
        self._lock = RunLock(self.path / "run.lock")
        self._draft = False  # whether this object created the directory
        self._owned = False  # whether it is within `lock`
        #: Number of damaged rows that the last call of `metrics` left out.
        self.damaged_rows = 0

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # Identity -------------------------------------------------------------------------------------------------------------------

    @classmethod
    def planned(cls, config: Config, root: Path | str | None = None) -> Run:
        """The run of a configuration, which may not exist yet; nothing is created.

        Args:
            config: A composed configuration; experiment, agent, suite, task and seed are the identity of the run.
            root: Directory of all runs, ``config.root`` by default.
        """
        suite = config.suite
        below = lookup.identity_path(config.experiment, config.agent.name, suite.name, suite.task, config.seed)
        return cls(Path(root if root is not None else config.root) / below, config)

    @classmethod
    def create_or_open(cls, config: Config, root: Path | str | None = None) -> Run:
        """Open the run of a configuration, or create its directory.

        Args:
            config: A composed configuration.
            root: Directory of all runs, ``config.root`` by default.

        Raises:
            UsageError: If the directory cannot be written or holds a run of another configuration, or if something that the configuration
                refers to is missing.
        """
        run = cls.planned(config, root)
        if problems := run.lacking():
            raise FilesMissing(*problems)
        run._refuse_unwritable()
        run._refuse_another_config()
        with atomic.storage_errors("another directory: root=DIRECTORY"):
            if not run.config_path.exists():
                run._write_config()
            trust.sign(run.path, config.code)
        return run

    def lacking(self) -> list[Problem]:
        """Problems with what the configuration refers to; empty for a run that has started."""
        if problem := self._no_path():
            return [problem]
        return lacking(self.config, self.root, self.path) if self.untouched else []

    def forget_draft(self) -> None:
        """Remove a directory that `create_or_open` has created, if the start was refused and nothing was trained."""
        if not self._draft or not self.path.exists():
            return
        with contextlib.suppress(OSError, UnifiedError), self._lock:  # another process may train this run since
            if not self.untouched:
                return
            shutil.rmtree(self.path / LOADED, ignore_errors=True)
            for name in (lookup.CONFIG, trust.RECORD, "events.jsonl", "metrics.jsonl", "run.lock"):
                (self.path / name).unlink(missing_ok=True)
            place = self.path
            while place != self.root.parent:  # until one contains other files
                place.rmdir()
                place = place.parent

    @classmethod
    def find(cls, text: str, root: Path | str = lookup.DEFAULT_ROOT) -> Run:
        """Find a run by its directory, its name, or parts of its name (``cartpole``, ``drqv2 walker seed-2``).

        Raises:
            UsageError: If no run matches or several do, with suggestions.
        """
        return cls(lookup.find(text, Path(root)))

    @classmethod
    def all(cls, root: Path | str = lookup.DEFAULT_ROOT) -> list[Run]:
        """All runs below `root`, by name."""
        return [cls(path) for path in lookup.paths(Path(root))]

    @property
    def owned(self) -> bool:
        """Whether this object is within `lock`."""
        return self._owned

    @property
    def root(self) -> Path:
        """Directory of all runs."""
        return self.path.parents[min(lookup.DEPTH, len(self.path.parents)) - 1]

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """Experiment, agent, suite, task and ``seed-<n>``: its directories, or of a run that was moved its configuration."""
        parts = self.path.absolute().parts
        if len(parts) <= lookup.DEPTH or not parts[-1].startswith("seed-"):
            parts = lookup.recorded_identity(self.tree).parts
        experiment, agent, suite, task, seed = parts[-lookup.DEPTH :]
        return experiment, agent, suite, task, seed

    @cached_property
    def name(self) -> str:
        """The shortest text by which `find` currently finds it: ``cartpole_balance``, or ``cartpole_balance/seed-2``."""
        return lookup.shortest_name(self.path, self.root)

    @property
    def lasting_name(self) -> str:
        """A text that finds it also after other runs are created: ``drqv2/dmc/cartpole_balance/seed-1``."""
        return lookup.lasting_name(self.path, self.root)

    # Configuration ------------------------------------------------------------------------------------------------------------

    @property
    def config_path(self) -> Path:
        return self.path / lookup.CONFIG

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The content of ``config.json``, not validated.

        Raises:
            StorageError: If it cannot be read.
        """
        hint = f"put back a copy (each checkpoint's manifest.json holds one as 'config'), or move {self.path} away"
        with atomic.storage_errors(hint):
            data = atomic.read_file(self.config_path, limit=1 << 20)
        try:
            tree: dict[str, Any] = conform(atomic.parse_json(data, depth=50), {})
        except ValueError as error:
            raise StorageError(Problem(f"{self.config_path} is not a configuration: {error}", hint)) from error
        return tree

    @property
    def config(self) -> Config:
        """The composed configuration, to train with.

        Raises:
            NotTrusted: If it names code that this user has not named.
            UsageError: If it refers to a component or an option that does not exist now.
        """
        return self._config or self.configure()

    @property
    def policy_config(self) -> Config:
        """The configuration to load and evaluate the agent with: callbacks, launcher, sampler and optimiser need not be installed.

        Raises:
            UsageError: If it refers to another component that is not installed.
        """
        if self._config is not None:
            return self._config
        if self._policy_config is None:
            self._policy_config = self._read(without=stored.beside_policy(self.tree))
        return self._policy_config

    def configure(self, words: Sequence[str] = (), without: Sequence[str] = ()) -> Config:
        """Read the configuration to train with; `lock` writes the changes.

        Args:
            words: ``key=value`` words that change it.
            without: Callbacks, a launcher or options to leave out.

        Raises:
            UsageError: If it refers to a component or an option that does not exist now.
        """
        self._without = [stored.path_of(name, self.tree) for name in without]
        config = self._read(words, self._without)
        if config.gone:
            again = " ".join(f"--without {key}" for key in config.gone)
            gone = Problem(f"{', '.join(config.gone)} no longer exists", f"without it: unified resume {self.lasting_name} {again}")
            raise UsageError(gone, *map(Problem, self._versions()))
        self._config = config
        return config

    def _read(self, words: Sequence[str] = (), without: Collection[tuple[str, ...]] = ()) -> Config:
        from unified.core.config.compose import of_run
        from unified.core.registry import registry

        if not self.config_path.exists():
            raise UsageError(Problem(f"{self.path} is not a run: it has no {lookup.CONFIG}", "all: unified runs list"))
        self.tree  # noqa: B018  (refuses a link, a pipe or a device)
        needed = [record for record in self.components if not stored.is_left_out(record, without)]
        try:
            config = of_run(str(self.config_path), words, without)
        except NotTrusted:
            raise
        except UsageError as error:
            missing = provenance.missing(needed, registry(), f"unified resume {self.lasting_name}")
            raise UsageError(*(missing or [*error.problems, *map(Problem, self._versions())])) from error
        names = {(component.kind, component.qualified) for component in config.components()}
        selected = [record for record in needed if (record["kind"], f"{record['provider']}/{record['name']}") in names]
        if stolen := provenance.missing(selected, registry()):  # another distribution has the provider's name
            raise UsageError(*stolen)
        trust.sign(self.path, config.code)
        return config

    def _versions(self) -> list[str]:
        """One line for each package that is installed in another version than at the last training."""
        from unified.core.registry import registry

        return provenance.changed(self.components, registry())

    @property
    def components(self) -> list[dict[str, str]]:
        """Components of its last training: kind, name, target, provider, distribution and version of each."""
        shape = {"event": str, "components": [dict.fromkeys(("kind", "name", "provider", "distribution", "version"), str)]}
        recorded = (event for event in self.newest_events(b'"components"') if event["event"] == "components" and has_shape(event, shape))
        return list(next(recorded, {"components": []})["components"])

    # Ownership ------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[Run]:
        """Hold the lock of the run within the context, so that no other process trains it. The lock ends with the process.

        Raises:
            UnifiedError: If another process holds the lock.
            UsageError: If the directory meanwhile holds a run of another configuration.
            StorageError: If a file cannot be read or written, within the context too.
        """
        with atomic.storage_errors(self._hint), self._lock:
            self._refuse_odd_files()
            if self._config is not None:
                if not self.config_path.exists():  # a refused start beside this one has removed it
                    self._write_config()
                changed = self._refuse_another_config()
                self._refuse_damaged_config()
                if changed:
                    self._record_config(self._written(), changed)
                if changed or (self.untouched and self.tree != self._written()):
                    self._write_config()
            if not self._lock.supported:
                self.event(
                    "warning", message=f"the file system of {self.path} has no locks: do not train this run in two processes at once"
                )
            self._owned = True
            try:
                yield self
            except (OSError, StorageError):
                self.check_place()  # a moved directory explains the error
                raise
            finally:
                self._owned = False
                self._metrics.close()
                self._events.close()

    def check_place(self) -> None:
        """Check that this process still owns the directory at its path, before more is written there.

        Raises:
            StorageError: If the directory was moved, replaced or deleted, or if this process is a forked copy of the owner.
        """
        self._draft = False
        if not self._owned or self._lock.held:
            return
        place = self._lock.place
        if place is None:
            raise StorageError(Problem(f"this process is a copy of the one that trains {self.path}, and must not write to it"))
        gone = f"{self.path} was moved, replaced or deleted while it was trained, or its run.lock was; nothing was saved there since"
        moved = (
            f"it is now {place}; to continue: unified resume {place}, or move it back"
            if place.exists()
            else "repeat the command that started it"
        )
        raise StorageError(Problem(gone, moved))

    @property
    def _hint(self) -> str:
        return f"what was saved before is intact; when the cause is removed: unified resume {self.lasting_name}"

    @property
    def owner(self) -> dict[str, Any] | None:
        """The process that trains it (pid, host, started), or ``None``."""
        return self._lock.owner()

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``stopped`` (on request), ``interrupted`` (the process died) or ``new``."""
        if self.owner is not None:
            return "running"
        if self.untouched:
            return "new"
        return _PHASES.get(self._phase(), "interrupted")

    @property
    def untouched(self) -> bool:
        """Whether it has no metrics and no checkpoints yet. A refused start leaves such a run; its configuration may still change."""
        return not self._metrics.size and not self.checkpoints.paths()

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end of its budget."""
        return self._phase() == "finish"

    def _phase(self) -> str:
        """The last event that begins or ends a session; empty if there is none."""
        names = "|".join(_PHASES)
        return next((event["event"] for event in self.newest_events(f'"({names})"'.encode()) if event["event"] in _PHASES), "")

    # Metrics and events --------------------------------------------------------------------------------------------------------------

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row of metrics. Rows are deterministic and contain no times.

        Raises:
            StorageError: If it cannot be written, on a full disk for example.
        """
        self.check_place()
        with atomic.storage_errors(self._hint):
            self._metrics.append(dict(row))

    def event(self, name: str, /, **fields: Any) -> None:
        """Append an event with the time. Errors of the disk are ignored, because an event must not end a run."""
        with contextlib.suppress(OSError):
            self._events.append({"time": _now(), "event": name, **fields})

    def sync_events(self) -> None:
        """Flush the events to the disk; errors are ignored."""
        with contextlib.suppress(OSError):
            self._events.sync()

    def keep_traceback(self, error: BaseException) -> Path:
        """Write the traceback of an error to ``error.txt``."""
        path = self.path / "error.txt"
        text = "".join(traceback.format_exception(error.__cause__ or error))
        with contextlib.suppress(OSError):
            atomic.replace(path, text.encode())
        return path

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics, oldest first, without damaged ones and a line that a crash has torn.

        Raises:
            StorageError: If the file cannot be read.
        """
        with atomic.storage_errors(f"the checkpoints of {self.path} do not depend on it"):
            rows = self._metrics.read()
        fit = [row for row in rows if _is_row(row)]
        self.damaged_rows = self._metrics.damaged + len(rows) - len(fit)
        return fit

    def events(self) -> list[dict[str, Any]]:
        """The events, oldest first, without damaged ones.

        Raises:
            StorageError: If the file cannot be read.
        """
        with atomic.storage_errors(f"the checkpoints of {self.path} do not depend on it"):
            return [event for event in self._events.read() if isinstance(event.get("event"), str)]

    def newest_metrics(self, having: bytes = b"") -> Iterator[dict[str, Any]]:
        """The rows of `metrics` from the newest to the oldest, read from the end of the file as far as they are asked for.

        Args:
            having: Regular expression; rows without a match in their line are skipped.

        Raises:
            StorageError: If the file cannot be read.
        """
        with atomic.storage_errors(f"the checkpoints of {self.path} do not depend on it"):
            yield from filter(_is_row, self._metrics.newest_first(having))

    def newest_events(self, having: bytes = b"") -> Iterator[dict[str, Any]]:
        """The events from the newest to the oldest, as `newest_metrics`."""
        with atomic.storage_errors(f"the checkpoints of {self.path} do not depend on it"):
            yield from (event for event in self._events.newest_first(having) if isinstance(event.get("event"), str))

    @property
    def metrics_offset(self) -> int:
        """Size of the metrics in bytes, as stored in checkpoints: a resumed run repeats the rows after it."""
        return self._metrics.size

    def truncate_metrics(self, offset: int, sha256: str | None = None) -> int:
        """Truncate the metrics to the offset of a checkpoint; a resumed run repeats the rest. Returns the bytes removed.

        Args:
            offset: Size in bytes.
            sha256: Checksum of so many bytes; rows that differ from it stay, with a warning.
        """
        removed = self._metrics.truncate(offset)
        if removed < 0:
            self.event("warning", message=f"metrics.jsonl is {-removed} bytes shorter than at the checkpoint; some rows are lost")
        elif sha256 is not None and self._metrics.sha256(offset) != sha256:
            message = "metrics.jsonl was changed or damaged since it was written: do not trust its rows up to here (they are kept, and "
            self.event("warning", message=f"{message}evaluations are in events.jsonl too); the state of the run is not affected")
        return max(removed, 0)

    # Checkpoints ----------------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints in ``checkpoints/``."""
        keep = self._config.checkpoint.keep if self._config is not None else 2
        return Checkpoints(self.path / "checkpoints", keep)

    def save_checkpoint(self, frames: int, state: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, best: bool = False) -> Path:
        """Save a checkpoint; its manifest covers the configuration and the metrics as they are now.

        Raises:
            StorageError: If it cannot be written; older checkpoints stay intact.
        """
        self.check_place()
        self._metrics.sync()
        offset = self.metrics_offset
        own: dict[str, Any] = {"metrics_offset": offset, "metrics_sha256": self._metrics.sha256(offset)}
        if self.config_path.exists():
            own["config"] = self.tree
        return self.checkpoints.save(frames, state, {**(manifest or {}), **own}, best=best)

    def newest_checkpoint(self) -> Checkpoint | None:
        """The newest valid checkpoint, with a warning event for each skipped damaged one; ``None`` without checkpoints.

        Raises:
            StorageError: If all checkpoints are damaged.
        """
        checkpoint = self.checkpoints.newest()
        for message in checkpoint.warnings if checkpoint is not None else ():
            self.event("warning", message=message)
        return checkpoint

    def checkpoint(self, which: str | int = "best", groups: Collection[str] | None = None) -> Checkpoint | None:
        """A checkpoint of the run.

        Args:
            which: ``"best"`` (the newest if none is the best), ``"newest"``, or a number of frames.
            groups: Groups to load; the files of other groups are not read. All by default.

        Returns:
            ``None`` if there is no such checkpoint.
        """
        if which == "best":
            return self.checkpoints.best(groups)
        if which == "newest":
            return self.checkpoints.newest(groups)
        return self.checkpoints.at(int(which), groups) if str(which).isdigit() else None

    def replay_snapshots(self) -> list[dict[str, Any]] | None:
        """Snapshots of the replay in the newest checkpoints; ``None`` if a manifest cannot be read.

        An older checkpoint with the best score is not included: only its parameters are used.
        """
        checkpoints = self.checkpoints
        manifests = [peek(path) for path in checkpoints.paths()[: checkpoints.keep]]
        if not all(manifests):
            return None
        return [manifest["replay"] for manifest in manifests if "replay" in manifest]

    def set_aside(self, newer_than: Checkpoint) -> None:
        """Rename damaged checkpoints to ``damaged-…``, so that they do not count as the newest ones."""
        paths = self.checkpoints.paths()
        for path in paths[: paths.index(newer_than.path)]:
            path.rename(next(free for free in _names(path) if not free.exists()))

    # Inside ---------------------------------------------------------------------------------------------------------------------

    def _refuse_another_config(self) -> dict[str, str]:
        """What the configuration changes in that of the directory."""
        assert self._config is not None
        self.__dict__.pop("tree", None)
        if not self.config_path.exists() or self.untouched:
            return {}
        changed = differences(self.tree, self._config)
        if changed:  # also names and options that a newer package has renamed
            changed = differences(self._tree_now(), self._config)
        if problems := refusals(changed, self._without):
            raise UsageError(
                Problem(f"{self.path} holds a run of another configuration, which would change:"),
                *problems,
                Problem("keep both: add experiment=NAME", f"continue the existing run: unified resume {self.lasting_name}"),
            )
        return changed

    def _tree_now(self) -> dict[str, Any]:
        """The tree of ``config.json`` as the installed packages read it, with the options that no longer exist."""
        for without in ((), stored.BESIDE_TRAINING):
            with contextlib.suppress(UsageError):
                return stored.merged(self.tree, self._read(without=without), without)
        return self.tree

    def _refuse_odd_files(self) -> None:
        """Refuse links, pipes and devices in the directory: what is written to them goes elsewhere."""
        for entry in os.scandir(self.path):
            directory = entry.is_dir(follow_symlinks=False)
            if not directory and not entry.is_file(follow_symlinks=False):
                what = f"{entry.path} is {'a link' if entry.is_symlink() else 'no ordinary file'}"
            elif directory and entry.name.endswith((".json", ".jsonl")):
                what = f"{entry.path} is a directory"
            else:
                continue
            hint = "move it away, or put the original there"
            raise StorageError(Problem(f"{what}; a run consists of ordinary files and directories", hint))

    def accept_config(self) -> None:
        """Accept a ``config.json`` that was changed by hand since the newest checkpoint."""
        self._record_config(self.tree, changed_values(self.checkpoints.newest_manifest().get("config", self.tree), self.tree))

    def _record_config(self, tree: Mapping[str, Any], changed: Mapping[str, str]) -> None:
        """Record a change of ``config.json`` before it is written, so that it is not taken for damage."""
        self._events.append({"time": _now(), "event": "config", "changed": dict(changed), "sha256": _sha256(tree)})
        self._events.sync()

    def _refuse_damaged_config(self) -> None:
        """Refuse a ``config.json`` that is neither that of the newest checkpoint nor a recorded change, unless it is about to be one."""
        before = self.checkpoints.newest_manifest().get("config", self.tree)
        known = {_sha256(before), *(str(event.get("sha256")) for event in self.events() if event["event"] == "config")}
        if {_sha256(self.tree), _sha256(self._written())} & known:
            return
        raise StorageError(
            Problem(f"{self.config_path} was changed or damaged since the newest checkpoint:"),
            *(Problem(f"  {key}: {values}") for key, values in changed_values(before, self.tree).items()),
            Problem("put the values back", f"to continue with them on purpose: unified resume {self.lasting_name} --accept-config"),
        )

    def _no_path(self) -> Problem | None:
        """The reason why no file system can have the path of the run."""
        try:
            names, size = max(len(os.fsencode(part)) for part in self.path.parts), len(os.fsencode(self.path))
        except UnicodeEncodeError:  # halves of characters
            names = size = -1
        if size < 0 or "\0" in str(self.path):
            what = "characters that no file name has"
        elif names > _NAME_MAX:
            what = f"a name of {names} bytes, more than {_NAME_MAX}"
        elif size + _LONGEST > _PATH_MAX:
            what = f"{size:,} bytes, more than {_PATH_MAX - _LONGEST:,}"
        else:
            return None
        return Problem(f"the path of the run has {what}: {self.path}", "another one: root=DIRECTORY, experiment=NAME")

    def _refuse_unwritable(self) -> None:
        probe = self.path / f".writable.{os.getpid()}"
        try:
            atomic.make_directory(self.path.parent)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir()
                self._draft = True
            atomic.sync_directory(self.path.parent)
            atomic.write_bytes(probe, b"\0")
            probe.unlink()
        except OSError as error:
            where = error.filename if error.filename and str(error.filename) != str(probe) else self.path
            raise UsageError(
                Problem(
                    f"the run cannot be stored in {self.path}: {error.strerror or error} ({where})", "another directory: root=DIRECTORY"
                )
            ) from error

    def _written(self) -> dict[str, Any]:
        """The content of ``config.json`` for this configuration."""
        assert self._config is not None
        return jsonable(stored.with_packages(self._config))

    def _write_config(self) -> None:
        atomic.replace(self.config_path, (json.dumps(self._written(), indent=1) + "\n").encode())
        self.__dict__.pop("tree", None)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _sha256(tree: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _names(path: Path) -> Iterator[Path]:
    """Names for a damaged checkpoint."""
    yield path.with_name(f"damaged-{path.name}")
    yield from (path.with_name(f"damaged-{path.name}-{number}") for number in itertools.count(2))


def _is_row(row: dict[str, Any]) -> bool:
    """Whether it is a row of metrics: counters and statistics are numbers of at most 64 bits."""
    numbers = {key: value for key, value in row.items() if isinstance(value, int) or key in _NUMBERS or key.endswith(_STATISTICS)}
    fits = has_shape(row, {"kind": str, "frames": int}) and row["frames"] >= 0 and isinstance(row.get("metric", ""), str)
    return fits and all(value is None or isinstance(value, float | bool) or has_shape(value, int) for value in numbers.values())
