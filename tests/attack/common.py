"""Commands in forked children of one warm process: a case costs tenths of a second instead of seconds."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

#: A name of a case, and why it does not hold; empty if it holds.
Outcome = tuple[str, str]
#: Yields an outcome for each case, from a seed, a number of cases and a directory to work in.
Attack = Callable[[int, int, Path], Iterator[Outcome]]

#: One run with every kind of file: checkpoints, evaluations, segments of its replay, and a saved replay.
WORDS = (
    *("train", "--agent", "dqn", "--suite", "gym:CartPole-v1", "train.env_backend=inline", "device=cpu", "precision=fp32"),
    *("agent.learning_starts=20", "agent.batch_size=16", "agent.critic.hidden_dim=8", "agent.updates_per_step=0.2"),
    *("train.log_every=20", "evaluate.every=45", "evaluate.episodes=1", "checkpoint.every=30", "replay.capacity=2000"),
    *("callbacks=[console]", "replay.save=end"),
)
FRAMES = 90
RUN = Path("runs/default/dqn/gym/CartPole-v1/seed-1")
#: Commands that read the run.
READING = (
    *(("runs", "list"), ("runs", "list", "--json"), ("runs", "show", str(RUN)), ("plot", str(RUN))),
    *(("evaluate", str(RUN), "--episodes", "1"), ("resume", str(RUN))),
)
#: A training, and what reads it: what `warm` takes for an attack on this run.
EVERYTHING = ((*WORDS, f"train.frames={FRAMES}"), *READING)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: Exit code; negative for the number of a signal; ``None`` if it was killed because it did not end.
        text: What it printed.
    """

    status: int | None
    text: str

    @property
    def fault(self) -> str:
        """Why it is no good end; empty if it is one."""
        if self.status is None:
            return "it hangs"
        if "Traceback (most recent call last)" in self.text:
            return f"traceback: {self.text.strip().splitlines()[-1]}"
        if self.status not in (0, 1, 2, -signal.SIGKILL):
            return f"exit code {self.status}: {self.text[-300:]}"
        if self.status in (1, 2) and "error: " not in self.text:
            return f"exit code {self.status} without a word"
        return ""


def warm(*commands: Sequence[str]) -> None:
    """Import what the children need: PyTorch, the command line, and all modules that these commands import."""
    torch.set_num_threads(1)
    for name in (
        *("unified.cli.main", "unified.cli.resume", "unified.cli.train", "unified.cli.runs", "unified.cli.evaluate", "unified.cli.plot"),
        *("unified.core.trainer.build", "unified.plotting", "matplotlib.figure", "matplotlib.backends.backend_agg", "gymnasium"),
        *("unified.agents.off_policy", "torch._dynamo", "rich.table", "rich.console", "safetensors.torch", "safetensors.numpy"),
    ):
        with contextlib.suppress(ImportError):
            __import__(name)

    def report() -> None:
        for words in commands:
            with contextlib.suppress(SystemExit):
                unified(*words)()
        Path("modules").write_text("\n".join(sys.modules))

    with tempfile.TemporaryDirectory(prefix="warm-") as place:
        forked(report, Path(place), 120.0)
        for name in (Path(place) / "modules").read_text().splitlines():
            with contextlib.suppress(Exception):  # names that stand for parts of another module
                __import__(name)
    gc.collect()
    gc.freeze()  # collections in a child do not touch, and so copy, what the parent has


def forked(work: Callable[[], Any], directory: Path, seconds: float = 90.0) -> Ended:
    """Run `work` in a forked child in a directory; it ends by `SystemExit` or by returning.

    A busy machine has up to ten times the seconds.
    """
    with tempfile.TemporaryFile() as output:
        child = begun(work, directory, output.fileno())
        start = time.monotonic()
        while time.monotonic() - start < seconds * busy():
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.005)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done = 0
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status) if done else None, text)


def busy() -> float:
    """How many times longer than alone a process takes here, by the load and its own priority: 1 to 10."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) * 1.25 ** max(os.nice(0), 0)), 10.0)


def begun(work: Callable[[], Any], directory: Path, output: int) -> int:
    """Begin `work` in a forked child in a directory, with a descriptor for what it prints; returns its process."""
    child = os.fork()
    if child == 0:
        _in_child(work, directory, output)
    return child


def _in_child(work: Callable[[], Any], directory: Path, output: int) -> NoReturn:
    status = 99
    try:
        os.chdir(directory)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        try:
            work()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 1
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(status)


def unified(*words: str, before: Callable[[], Any] | None = None) -> Callable[[], Any]:
    """A command line as work for `forked`, after a call in its process."""

    def work() -> None:
        if before is not None:
            before()
        from unified.cli.main import main

        main(words)

    return work


def train(frames: int = FRAMES, before: Callable[[], Any] | None = None) -> Callable[[], Any]:
    return unified(*WORDS, f"train.frames={frames}", before=before)


@contextlib.contextmanager
def copied(source: Path, place: Path) -> Iterator[Path]:
    """A copy of a directory, for one case."""
    shutil.copytree(source, place, symlinks=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def straight(work: Path) -> Path:
    """A directory with the finished run."""
    place = work / "straight"
    place.mkdir()
    ended = forked(train(), place, 120.0)
    assert ended.status == 0, ended.text
    return place


def stopped(work: Path) -> Path:
    """A directory with the run as a kill in its middle leaves it: two checkpoints, and rows after the newest one."""
    from attack.faults import Fault

    place = work / "stopped"
    place.mkdir()
    # Killed when it begins its third checkpoint.
    ended = forked(train(before=Fault("kill", 1, "*/.saving-000000090-*").install), place, 120.0)
    assert ended.status == -signal.SIGKILL, ended.text
    return place


def same(one: Path, other: Path) -> str:
    """What two directories with finished runs differ in; empty if they agree bit for bit."""
    from runs.commands import result_of

    try:
        a, b = result_of(one / RUN), result_of(other / RUN)
    except Exception as error:
        return f"its result cannot be read: {type(error).__name__}: {error}"
    return ", ".join(part for part in a if a[part] != b[part])
