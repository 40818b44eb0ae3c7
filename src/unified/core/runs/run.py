"""A run is a directory. This module imports no torch, so that listing runs is fast.

```text
<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>/
  config.json      the configuration; itself a recipe
  run.lock         process that trains it
  metrics.jsonl    metrics, a function of configuration and seed: no times
  events.jsonl     events with times: start, resume, evaluate, checkpoint, speed, warning, stop, finish
  checkpoints/  replay/  videos/  curve.png
```
"""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base import files as atomic
from unified.core.base.errors import FilesMissing, Problem, UnifiedError, UsageError
from unified.core.base.jsonl import JsonLines
from unified.core.runs import lookup, provenance, stored
from unified.core.runs.checkpoint import Checkpoint, Checkpoints, peek
from unified.core.runs.lock import RunLock
from unified.core.runs.preflight import differences, jsonable, lacking, refusals

if TYPE_CHECKING:
    from unified.core.config.config import Config

_PHASES = {"start": "interrupted", "resume": "interrupted", "finish": "finished", "stop": "stopped"}


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
        run._draft = not run.path.exists()
        if problems := run.lacking():
            raise FilesMissing(*problems)
        run._refuse_unwritable()
        run._refuse_another_config()
        if not run.config_path.exists():
            run._write_config()
        return run

    def lacking(self) -> list[Problem]:
        """Problems with what the configuration refers to; empty for a run that has started."""
        return lacking(self.config, self.root, self.path) if self.untouched else []

    def forget_draft(self) -> None:
        """Remove a directory that `create_or_open` has created, if the start was refused and nothing was trained."""
        if not self._draft or not self.untouched:
            return
        for name in (lookup.CONFIG, "run.lock", "events.jsonl", "metrics.jsonl"):
            (self.path / name).unlink(missing_ok=True)
        place = self.path
        with contextlib.suppress(OSError):  # it contains other files
            while place != self.root.parent:
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
    def root(self) -> Path:
        """Directory of all runs."""
        return self.path.parents[min(lookup.DEPTH, len(self.path.parents)) - 1]

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """Experiment, agent, suite, task and ``seed-<n>``, from the names of its directories."""
        experiment, agent, suite, task, seed = self.path.parts[-lookup.DEPTH :]
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
            UnifiedError: If it cannot be read.
        """
        try:
            tree = json.loads(self.config_path.read_bytes())
        except (OSError, ValueError) as error:
            raise UnifiedError(
                Problem(f"{self.config_path} cannot be read: {error}", "restore it, or move the run's directory away")
            ) from error
        if not isinstance(tree, dict):
            raise UnifiedError(Problem(f"{self.config_path} is not a configuration", "restore it, or move the run's directory away"))
        return tree

    @property
    def config(self) -> Config:
        """The composed configuration, to train with.

        Raises:
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
            gone = Problem(f"{', '.join(config.gone)} no longer exists", f"without it: unified resume {self.name} {again}")
            raise UsageError(gone, *map(Problem, self._versions()))
        self._config = config
        return config

    def _read(self, words: Sequence[str] = (), without: Collection[tuple[str, ...]] = ()) -> Config:
        from unified.core.config.compose import of_run
        from unified.core.registry import registry

        if not self.config_path.exists():
            raise UsageError(Problem(f"{self.path} is not a run: it has no {lookup.CONFIG}", "all: unified runs list"))
        needed = [record for record in self.components if not stored.is_left_out(record, without)]
        try:
            config = of_run(str(self.config_path), words, without)
        except UsageError as error:
            missing = provenance.missing(needed, registry(), f"unified resume {self.name}")
            raise UsageError(*(missing or [*error.problems, *map(Problem, self._versions())])) from error
        names = {(component.kind, component.qualified) for component in config.components()}
        selected = [record for record in needed if (record["kind"], f"{record['provider']}/{record['name']}") in names]
        if stolen := provenance.missing(selected, registry()):  # another distribution has the provider's name
            raise UsageError(*stolen)
        return config

    def _versions(self) -> list[str]:
        """One line for each package that is installed in another version than at the last training."""
        from unified.core.registry import registry

        return provenance.changed(self.components, registry())

    @property
    def components(self) -> list[dict[str, str]]:
        """Components of its last training: kind, name, target, provider, distribution and version of each."""
        recorded = [event["components"] for event in self.events() if event.get("event") == "components"]
        return list(recorded[-1]) if recorded else []

    # Ownership ------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[Run]:
        """Hold the lock of the run within the context, so that no other process trains it. The lock ends with the process.

        Raises:
            UnifiedError: If another process holds the lock.
            UsageError: If the directory meanwhile holds a run of another configuration.
        """
        with self._lock:
            if self._config is not None:
                changed = self._refuse_another_config()
                if changed:
                    self.event("config", changed=changed)
                if changed or (self.untouched and self.tree != self._written()):
                    self._write_config()
            if not self._lock.supported:
                self.event(
                    "warning", message=f"the file system of {self.path} has no locks: do not train this run in two processes at once"
                )
            try:
                yield self
            finally:
                self._metrics.close()
                self._events.close()

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
        phases = [event["event"] for event in self.events() if event.get("event") in _PHASES]
        return _PHASES[phases[-1]] if phases else "interrupted"

    @property
    def untouched(self) -> bool:
        """Whether it has no metrics and no checkpoints yet. A refused start leaves such a run; its configuration may still change."""
        return not self._metrics.size and not self.checkpoints.paths()

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end of its budget."""
        phases = [event["event"] for event in self.events() if event.get("event") in _PHASES]
        return phases[-1:] == ["finish"]

    # Metrics and events --------------------------------------------------------------------------------------------------------------

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row of metrics. Rows are deterministic and contain no times.

        Raises:
            UnifiedError: If it cannot be written, on a full disk for example.
        """
        try:
            self._metrics.append(dict(row))
        except OSError as error:
            raise UnifiedError(
                Problem(
                    f"{self._metrics.path} cannot be written: {error.strerror or error}",
                    f"free some space, then: unified resume {self.lasting_name}",
                )
            ) from error

    def event(self, name: str, /, **fields: Any) -> None:
        """Append an event with the time. Errors of the disk are ignored, because an event must not end a run."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        try:
            self._events.append({"time": now, "event": name, **fields})
        except OSError:
            return

    def keep_traceback(self, error: BaseException) -> Path:
        """Write the traceback of an error to ``error.txt``."""
        path = self.path / "error.txt"
        text = "".join(traceback.format_exception(error.__cause__ or error))
        with contextlib.suppress(OSError):
            atomic.replace(path, text.encode())
        return path

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics, oldest first, without a line that a crash has torn."""
        return self._metrics.read()

    def events(self) -> list[dict[str, Any]]:
        """The events, oldest first."""
        return self._events.read()

    @property
    def metrics_offset(self) -> int:
        """Size of the metrics in bytes, as stored in checkpoints: a resumed run repeats the rows after it."""
        return self._metrics.size

    def truncate_metrics(self, offset: int) -> int:
        """Truncate the metrics to the offset of a checkpoint; a resumed run repeats the rest. Returns the bytes removed."""
        snapshot = self._metrics.truncate(offset)
        if snapshot < 0:
            self.event("warning", message=f"metrics.jsonl is {-snapshot} bytes shorter than at the checkpoint; some rows are lost")
        return max(snapshot, 0)

    # Checkpoints ----------------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints in ``checkpoints/``."""
        keep = self._config.checkpoint.keep if self._config is not None else 2
        return Checkpoints(self.path / "checkpoints", keep)

    def save_checkpoint(self, frames: int, state: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, best: bool = False) -> Path:
        """Save a checkpoint; the digest of the configuration and the offset of the metrics are added to the manifest.

        Raises:
            UnifiedError: If it cannot be written; older checkpoints stay intact.
        """
        self._metrics.sync()
        own: dict[str, Any] = {"metrics_offset": self.metrics_offset}
        if self._config is not None:
            own["config_digest"] = self._config.digest()
        return self.checkpoints.save(frames, state, {**(manifest or {}), **own}, best=best)

    def newest_checkpoint(self) -> Checkpoint | None:
        """The newest valid checkpoint, with a warning event for each skipped damaged one; ``None`` without checkpoints.

        Raises:
            UnifiedError: If all checkpoints are damaged.
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
            path.rename(path.with_name(f"damaged-{path.name}"))

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

    def _refuse_unwritable(self) -> None:
        probe = self.path / f".writable.{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\0")
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
