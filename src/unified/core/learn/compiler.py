"""Compile graphs to machine code, in a process of its own, and keep the result in a private cache.

A result is a pickle and machine code: it lies in ``~/.cache/unified/compiled/KEY``, which only its owner may write, and never in a run. The
key is a function of the graph and of everything else that its code depends on (`Compiler.key`), so that what was removed or damaged is
compiled again to the same bits.

This module imports torch and its compiler where a graph is compiled or loaded. ``python -m unified.core.learn.compiler DIRECTORY THREADS
WORKERS`` compiles the graph that a directory of the cache holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.errors import UnifiedError
from unified.core.base.files import replace

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule

#: Runs a graph: its inputs to its outputs.
Run = Callable[..., Sequence["torch.Tensor"]]
#: Graphs in the cache; those that were not used for the longest time are removed.
KEPT = 32
#: Names in the directory of a graph: what is compiled, what the compiler writes, checksums of it, and what the process prints.
GRAPH, CODE, COMPLETE, LOG, LOCK = "graph.pickle", "code", "complete.json", "log.txt", "lock"
#: Settings of inductor, part of the key.
SETTINGS: dict[str, Any] = {"size_asserts": False}


class CompilationFailed(UnifiedError):
    """A graph was not compiled; the message is the reason."""


def missing() -> str:
    """What compiling lacks on this machine; empty if it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return f"it is not supported on {sys.platform}"
    name = os.environ.get("CXX") or "g++"
    if not _version(name):
        return f"there is no C++ compiler {name} (Debian, Ubuntu: sudo apt-get install g++)"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "there is no Python.h (Debian, Ubuntu: sudo apt-get install python3-dev)"
    return ""


def _version(compiler: str) -> str:
    """What a compiler says of its version; empty if it does not run."""
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=30, check=True)
        return done.stdout
    return ""


def cache_directory() -> Path:
    """Where compiled graphs are kept."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "unified" / "compiled"


class Compiler:
    """Compiles graphs, and loads what was compiled.

    Args:
        directory: Of the cache.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or cache_directory()

    def missing(self) -> str:
        """See `missing`."""
        return missing()

    def key(self, text: str) -> str:
        """A name for the code of a graph on this machine.

        Args:
            text: The graph, with shapes, strides and types of its inputs and the values of constants.
        """
        import torch

        with suppress(OSError):
            about = Path("/proc/cpuinfo").read_text()
            flags = next((line for line in about.splitlines() if line.startswith(("flags", "Features"))), "")
        parts = {
            "graph": text,
            "torch": torch.__version__,
            "python": sys.version,
            "compiler": _version(os.environ.get("CXX") or "g++"),
            "processor": [torch.backends.cpu.get_cpu_capability(), flags],
            "threads": torch.get_num_threads(),
            "settings": SETTINGS,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def start(self, key: str, graph: GraphModule, inputs: Sequence[torch.Tensor], *, urgent: bool) -> Compilation:
        """Compile a graph beside this process, unless the cache has it.

        Args:
            key: Of the graph.
            graph: With flat inputs and outputs.
            inputs: Examples; their values do not matter.
            urgent: Whether this process will wait for it; it then takes all cores.

        Raises:
            CompilationFailed: If the cache is not private, or cannot be written.
        """
        place = self.directory / key
        try:
            self._make_private(place)
            pure, constants = _without_constants(graph)
            shapes = [(tuple(each.shape), each.stride(), each.dtype) for each in (*inputs, *constants)]
            replace(place / GRAPH, pickle.dumps((pure, shapes)))
        except OSError as error:
            raise CompilationFailed(f"the cache {place} cannot be written: {error.strerror or error}") from error
        return Compilation(place, constants, urgent)

    def _make_private(self, place: Path) -> None:
        """Make the directories; another user must not be able to put code there."""
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (place, self.directory, self.directory.parent):
            about = each.lstat()
            if about.st_uid != os.getuid() or about.st_mode & 0o022:
                raise CompilationFailed(f"others may write to {each}, which is to hold code: chmod go-w {each}")


def _without_constants(graph: GraphModule) -> tuple[GraphModule, list[torch.Tensor]]:
    """The graph with its constants as further inputs, because a loaded artefact does not have them; and the constants."""
    import torch
    from torch.fx import Graph

    pure, values = Graph(), {}
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    constants = [node for node in graph.graph.nodes if node.op == "get_attr"]
    for node in (*inputs, *constants):
        values[node] = pure.placeholder(node.name)
    for node in graph.graph.nodes:
        if node not in values:
            values[node] = pure.node_copy(node, values.__getitem__)
    return torch.fx.GraphModule({}, pure), [getattr(graph, node.target).detach().clone() for node in constants]


class Compilation:
    """A graph that is being compiled, or was.

    Args:
        place: Its directory in the cache.
        constants: Inputs that follow those of the graph.
        urgent: Whether it may take all cores.
    """

    def __init__(self, place: Path, constants: Sequence[torch.Tensor], urgent: bool) -> None:
        self.place, self.constants = place, tuple(constants)
        self._stop: Callable[[], object] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        if not is_complete(place):
            self._start(urgent)

    def _start(self, urgent: bool) -> None:
        import torch

        cores = len(os.sched_getaffinity(0))
        arguments = [str(self.place), str(torch.get_num_threads()), str(cores if urgent else 1)]
        # What the user sets for torch's compiler is not part of the key.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHINDUCTOR_", "TORCH_COMPILE"))}
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.place / CODE)
        environment["TORCHINDUCTOR_COMPILE_THREADS"] = arguments[-1]
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        with open(self.place / LOG, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "unified.core.learn.compiler", *arguments],
                stdin=subprocess.PIPE,  # it ends when this process does
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._stop = weakref.finalize(self, _kill, self._process)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._process is None or self._process.poll() is not None

    def wait(self, meanwhile: Callable[[], object]) -> Run:
        """The compiled graph.

        Args:
            meanwhile: Called several times a second while this process waits; an error of it ends the waiting and the compilation.

        Raises:
            CompilationFailed: If it fails.
        """
        for attempt in ("first", "again"):
            while not self.done:
                try:
                    meanwhile()
                except BaseException:
                    self.stop()
                    raise
                time.sleep(0.05)
            if is_complete(self.place):
                with suppress(Exception):  # of a file that is as it was written, and does not load here
                    run, constants = load(self.place), self.constants
                    return lambda *inputs: run(*inputs, *constants)
            if self._process is not None and self._process.returncode or attempt == "again":
                break
            shutil.rmtree(self.place / CODE, ignore_errors=True)
            (self.place / COMPLETE).unlink(missing_ok=True)
            self._start(urgent=True)
        raise CompilationFailed(f"{self._last_words()} ({self.place / LOG})")

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.place / LOG).read_text(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "the compiler ended")
        return "the compiler ended"

    def stop(self) -> None:
        """End the process, if it runs."""
        self._stop()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def is_complete(place: Path) -> bool:
    """Whether a directory of the cache holds all files of a compiled graph, as they were written."""
    try:
        written: dict[str, str] = json.loads((place / COMPLETE).read_text())
        return all(_digest(place / CODE / name) == digest for name, digest in written.items())
    except (OSError, ValueError, AttributeError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(place: Path) -> Run:
    """The compiled graph of a directory of the cache."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
    from torch._inductor import CompiledArtifact

    os.utime(place / COMPLETE)
    run: Run = CompiledArtifact.load(path=str(place / CODE), format="unpacked")
    return run


# The process that compiles ----------------------------------------------------------------------------------------------------------


def compile_graph(place: Path, threads: int) -> None:
    """Compile the graph of a directory of the cache, for torch with this number of threads."""
    import torch
    from torch._inductor import standalone_compile

    torch.set_num_threads(threads)
    graph, shapes = pickle.loads((place / GRAPH).read_bytes())
    examples = [torch.empty_strided(shape, stride, dtype=dtype).zero_() for shape, stride, dtype in shapes]
    with torch.no_grad():
        standalone_compile(
            graph, examples, dynamic_shapes="from_example_inputs", options={"config_patches": SETTINGS}, donate_graph_module=True
        )
    files = sorted(path for path in (place / CODE).rglob("*") if path.is_file() and path.suffix != ".lock")
    written = {str(path.relative_to(place / CODE)): _digest(path) for path in files}
    replace(place / COMPLETE, json.dumps(written, indent=1).encode())


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Within it, no other process compiles the same graph."""
    with open(place / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(directory: Path, kept: int = KEPT) -> None:
    """Remove the graphs that were not used for the longest time."""
    used = []
    for place in directory.iterdir():
        with suppress(OSError):
            used.append(((place / COMPLETE).stat().st_mtime, place))
    for _, place in sorted(used, reverse=True)[kept:]:
        shutil.rmtree(place, ignore_errors=True)


def _end_with_parent() -> None:
    """End with everything that was started here, when the process that asked for the graph ends."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(place: Path, threads: int, workers: int) -> None:
    """Compile the graph of a directory of the cache."""
    if workers == 1:
        os.nice(10)  # beside training
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _locked(place):
        if not is_complete(place):
            shutil.rmtree(place / CODE, ignore_errors=True)
            compile_graph(place, threads)
    prune(place.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
