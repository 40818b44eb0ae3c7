"""A run: its directory is the truth. Nothing here imports torch, so that runs can be listed at once.

```text
<root>/<experiment>/<agent>/<suite>/<task>/seed-<n>/
  config.json      what was asked for; itself a recipe
  run.lock         who owns it
  metrics.jsonl    rows that are a function of config and seed: no times
  events.jsonl     what happened and when: start, resume, evaluate, checkpoint, speed, warning, stop, finish
  checkpoints/  replay/  videos/  curve.png
```
"""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base import files as atomic
from unified.core.base.errors import FilesMissing, Problem, UnifiedError, UsageError
from unified.core.base.jsonl import JsonLines
from unified.core.runs import lookup
from unified.core.runs.checkpoint import Checkpoint, Checkpoints, peek
from unified.core.runs.lock import RunLock
from unified.core.runs.preflight import differences, jsonable, lacking

if TYPE_CHECKING:
    from unified.core.config.config import Config

_PHASES = {"start": "interrupted", "resume": "interrupted", "finish": "finished", "stop": "stopped"}


class Run:
    """One run directory, to read from anywhere and to write by its owner (`lock`).

    Args:
        path: The directory.
        config: The composed configuration; read from ``config.json`` when it is first asked for otherwise.
    """

    def __init__(self, path: Path | str, config: Config | None = None) -> None:
        self.path = Path(path)
        if len(self.path.parts) < lookup.DEPTH:  # "." and the like: the name of a run is in its directories
            self.path = self.path.absolute()
        self._config = config
        self._metrics = JsonLines(self.path / "metrics.jsonl")
        self._events = JsonLines(self.path / "events.jsonl")
        self._lock = RunLock(self.path / "run.lock")
        self._draft = False  # whether its directory was not there before

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    # Which run ------------------------------------------------------------------------------------------------------------------

    @classmethod
    def planned(cls, config: Config, root: Path | str | None = None) -> Run:
        """The run that this configuration is, whether it is there or not; nothing is made.

        Args:
            config: Composed; experiment, agent, suite, task and seed say where the run lives.
            root: Where runs are kept, ``config.root`` if not given.
        """
        suite = config.suite
        below = lookup.identity_path(config.experiment, config.agent.name, suite.name, suite.task, config.seed)
        return cls(Path(root if root is not None else config.root) / below, config)

    @classmethod
    def create_or_open(cls, config: Config, root: Path | str | None = None) -> Run:
        """The run of this configuration: a new directory, or the one of the same identity and configuration.

        Args:
            config: Composed.
            root: Where runs are kept, ``config.root`` if not given.

        Raises:
            UsageError: If the directory cannot be written, or holds a run of another configuration; or if what a new run begins with is
                not there.
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
        """What has to be there before it begins, and is not; nothing of a run that has begun."""
        return lacking(self.config, self.root, self.path) if self.untouched else []

    def forget_draft(self) -> None:
        """Take back a directory that `create_or_open` has just made, where the start was refused and nothing is in it yet."""
        if not self._draft or not self.untouched:
            return
        for name in (lookup.CONFIG, "run.lock", "events.jsonl", "metrics.jsonl"):
            (self.path / name).unlink(missing_ok=True)
        place = self.path
        with contextlib.suppress(OSError):  # somebody else's files are in it
            while place != self.root.parent:
                place.rmdir()
                place = place.parent

    @classmethod
    def find(cls, text: str, root: Path | str = lookup.DEFAULT_ROOT) -> Run:
        """The run that `text` means: a directory, a name, or enough of it (``cartpole``, ``drqv2 walker seed-2``).

        Raises:
            UsageError: If several fit or none does, with what to type instead.
        """
        return cls(lookup.find(text, Path(root)))

    @classmethod
    def all(cls, root: Path | str = lookup.DEFAULT_ROOT) -> list[Run]:
        """All runs below `root`, by name."""
        return [cls(path) for path in lookup.paths(Path(root))]

    @property
    def root(self) -> Path:
        """Where runs are kept."""
        return self.path.parents[min(lookup.DEPTH, len(self.path.parents)) - 1]

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """Experiment, agent, suite, task and ``seed-<n>``, as its directories say."""
        experiment, agent, suite, task, seed = self.path.parts[-lookup.DEPTH :]
        return experiment, agent, suite, task, seed

    @cached_property
    def name(self) -> str:
        """The shortest text by which `find` finds it: ``cartpole_balance``, or ``cartpole_balance/seed-2`` where more is needed."""
        return lookup.shortest_name(self.path, self.root)

    @property
    def lasting_name(self) -> str:
        """A text that finds it whatever runs come after it: ``drqv2/dmc/cartpole_balance/seed-1``."""
        return lookup.lasting_name(self.path, self.root)

    # What was asked for ---------------------------------------------------------------------------------------------------------

    @property
    def config_path(self) -> Path:
        return self.path / lookup.CONFIG

    @cached_property
    def tree(self) -> dict[str, Any]:
        """What ``config.json`` says, unchecked.

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
        """The composed configuration.

        Raises:
            UsageError: If it names what is not installed here.
        """
        if self._config is None:
            from unified.core.config.compose import compose
            from unified.core.registry import registry
            from unified.core.runs import provenance

            if not self.config_path.exists():
                raise UsageError(Problem(f"{self.path} is not a run: it has no {lookup.CONFIG}", "all: unified runs list"))
            try:
                self._config = compose([], [str(self.config_path)])
            except UsageError as error:
                raise UsageError(*provenance.missing(self.components, registry()), *error.problems) from error
        return self._config

    @property
    def components(self) -> list[dict[str, str]]:
        """What it was last trained with: kind, name, target, provider, distribution and version of every component."""
        noted = [event["components"] for event in self.events() if event.get("event") == "components"]
        return list(noted[-1]) if noted else []

    # Ownership ------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[Run]:
        """Own the run within the context: nobody else trains it meanwhile, and the lock goes with the process.

        Raises:
            UnifiedError: If another process owns it, naming who.
            UsageError: If it has meanwhile become a run of another configuration.
        """
        with self._lock:
            if self._config is not None:
                self._refuse_another_config()
                if self.tree != jsonable(self._config.tree):
                    self._write_config()
            if not self._lock.supported:
                self.event(
                    "warning", message=f"the file system of {self.path} knows no locks: take care not to train this run twice at once"
                )
            try:
                yield self
            finally:
                self._metrics.close()
                self._events.close()

    @property
    def owner(self) -> dict[str, Any] | None:
        """Who trains it now (pid, host, started), or ``None``."""
        return self._lock.owner()

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``stopped`` (asked to), ``interrupted`` (it died: resume it) or ``new``."""
        if self.owner is not None:
            return "running"
        if self.untouched:
            return "new"
        phases = [event["event"] for event in self.events() if event.get("event") in _PHASES]
        return _PHASES[phases[-1]] if phases else "interrupted"

    @property
    def untouched(self) -> bool:
        """Whether nothing was learned or measured in it yet: a start that was refused leaves such a run, and binds nobody."""
        return not self._metrics.size and not self.checkpoints.paths()

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end of its budget, whoever looks at it now."""
        phases = [event["event"] for event in self.events() if event.get("event") in _PHASES]
        return phases[-1:] == ["finish"]

    # What happened --------------------------------------------------------------------------------------------------------------

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row of metrics: deterministic, so without times.

        Raises:
            UnifiedError: If it cannot be written, a full disk for example.
        """
        try:
            self._metrics.append(dict(row))
        except OSError as error:
            raise UnifiedError(
                Problem(
                    f"{self._metrics.path} cannot be written: {error.strerror or error}", f"make room, then: unified resume {self.name}"
                )
            ) from error

    def event(self, name: str, /, **fields: Any) -> None:
        """Append what happened, with the time. Never raises for a full disk: an event is not worth a run."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        try:
            self._events.append({"time": now, "event": name, **fields})
        except OSError:
            return

    def keep_traceback(self, error: BaseException) -> Path:
        """Write what led to an error to ``error.txt``, for who has to mend it."""
        path = self.path / "error.txt"
        text = "".join(traceback.format_exception(error.__cause__ or error))
        with contextlib.suppress(OSError):
            atomic.replace(path, text.encode())
        return path

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics, oldest first; a line torn by a crash is left out."""
        return self._metrics.read()

    def events(self) -> list[dict[str, Any]]:
        """What happened, oldest first."""
        return self._events.read()

    @property
    def metrics_offset(self) -> int:
        """Bytes of metrics so far: what a checkpoint keeps, so that the rows after it can be replayed."""
        return self._metrics.size

    def truncate_metrics(self, offset: int) -> int:
        """Cut the metrics to where a checkpoint was: what came after is lived again. Returns the bytes cut off."""
        snapshot = self._metrics.truncate(offset)
        if snapshot < 0:
            self.event("warning", message=f"metrics.jsonl is {-snapshot} bytes shorter than at the checkpoint; some rows are lost")
        return max(snapshot, 0)

    # Checkpoints ----------------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Checkpoints:
        """What is in ``checkpoints/``."""
        keep = self._config.checkpoint.keep if self._config is not None else 2
        return Checkpoints(self.path / "checkpoints", keep)

    def save_checkpoint(self, frames: int, state: Mapping[str, Any], manifest: Mapping[str, Any] | None = None, best: bool = False) -> Path:
        """Save everything that the run goes on from; the manifest also keeps the digest of the config and the offset of the metrics.

        Raises:
            UnifiedError: If it could not be written; the ones before it are intact.
        """
        self._metrics.sync()
        own: dict[str, Any] = {"metrics_offset": self.metrics_offset}
        if self._config is not None:
            own["config_digest"] = self._config.digest()
        return self.checkpoints.save(frames, state, {**(manifest or {}), **own}, best=best)

    def newest_checkpoint(self) -> Checkpoint | None:
        """The newest valid checkpoint, with a warning event for each damaged one that was passed over; ``None`` if there is none.

        Raises:
            UnifiedError: If there are some and none is valid.
        """
        checkpoint = self.checkpoints.newest()
        for message in checkpoint.warnings if checkpoint is not None else ():
            self.event("warning", message=message)
        return checkpoint

    def checkpoint(self, which: str | int = "best", groups: Collection[str] | None = None) -> Checkpoint | None:
        """A checkpoint of the run.

        Args:
            which: ``"best"`` (the newest where none is marked), ``"newest"``, or the one at a number of frames.
            groups: The groups that will be loaded; files of others are not read. All if not given.

        Returns:
            ``None`` if there is none.
        """
        if which == "best":
            return self.checkpoints.best(groups)
        if which == "newest":
            return self.checkpoints.newest(groups)
        return self.checkpoints.at(int(which), groups) if str(which).isdigit() else None

    def replay_snapshots(self) -> list[dict[str, Any]] | None:
        """The cuts of the replay that the newest checkpoints can be resumed from; ``None`` if one of them cannot be read now.

        An older checkpoint that is kept because it is the best is there for its weights.
        """
        checkpoints = self.checkpoints
        manifests = [peek(path) for path in checkpoints.paths()[: checkpoints.keep]]
        if not all(manifests):
            return None
        return [manifest["replay"] for manifest in manifests if "replay" in manifest]

    def set_aside(self, newer_than: Checkpoint) -> None:
        """Take checkpoints that were passed over out of the way, as ``damaged-…``: they would be the newest ones for ever."""
        paths = self.checkpoints.paths()
        for path in paths[: paths.index(newer_than.path)]:
            path.rename(path.with_name(f"damaged-{path.name}"))

    # Inside ---------------------------------------------------------------------------------------------------------------------

    def _refuse_another_config(self) -> None:
        assert self._config is not None
        self.__dict__.pop("tree", None)
        if not self.config_path.exists() or self.untouched:
            return
        problems = differences(self.tree, self._config)
        if problems:
            raise UsageError(
                Problem(f"{self.path} holds a run of another configuration, which would change:"),
                *problems,
                Problem("keep both: add experiment=NAME", f"go on with the one that is there: unified resume {self.name}"),
            )

    def _refuse_unwritable(self) -> None:
        probe = self.path / f".writable.{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\0")
            probe.unlink()
        except OSError as error:
            where = error.filename if error.filename and str(error.filename) != str(probe) else self.path
            raise UsageError(
                Problem(f"the run cannot be kept in {self.path}: {error.strerror or error} ({where})", "keep it elsewhere: root=DIRECTORY")
            ) from error

    def _write_config(self) -> None:
        assert self._config is not None
        atomic.replace(self.config_path, (json.dumps(jsonable(self._config.tree), indent=1) + "\n").encode())
        self.__dict__.pop("tree", None)
