"""Compile graphs to machine code, in a process of its own, and keep the result in a private cache.

A result is machine code, and torch unpickles parts of it: it lies in ``~/.cache/unified/compiled/KEY``, which only its owner may write, and
never in a run. The key is a function of the graph and of everything else that its code depends on (`Compiler.key`), so that what was
removed or damaged is compiled again to the same bits.

This module imports torch and its compiler where a graph is compiled or loaded. ``python -m unified.core.learn.compiler DIRECTORY THREADS
WORKERS`` compiles the graph that a directory of the cache holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import operator
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unified.core.base.cores import usable_cores
from unified.core.base.errors import UnifiedError, error_text
from unified.core.base.files import replace
from unified.core.base.toolchain import compiler_version, missing_compiler

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule

    from unified.core.learn.traced import RunGraph, TracedUpdate

#: Most graphs in the cache; the least recently used ones are removed.
KEPT = 32
#: Seconds after which a compilation without a result is no longer under way.
ABANDONED = 86_400.0
#: Names in the directory of a graph: the graph, the compiler's output, its checksums, the log of the process, and its lock.
GRAPH, CODE, COMPLETE, LOG, LOCK = "graph.json", "code", "complete.json", "log.txt", "lock"
#: Settings of inductor, part of the key.
SETTINGS: dict[str, Any] = {"size_asserts": False, "alignment_asserts": False}


class CompilationFailed(UnifiedError):
    """A graph was not compiled; the message is the reason."""


def cache_directory() -> Path | None:
    """The directory of compiled graphs; ``None`` if the user has no home directory."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not home.is_absolute():
        with suppress(RuntimeError):
            home = Path.home() / ".cache"
    return home / "unified" / "compiled" if home.is_absolute() else None


class Compiler:
    """Compiles graphs, and loads them from the cache.

    Args:
        directory: Directory of the cache; `cache_directory` by default.
    """

    #: Compiled code rounds otherwise than the eager update.
    rounds = True

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or cache_directory()

    def missing(self) -> str:
        """What is missing on this machine to compile; empty if nothing is."""
        return missing_compiler() if self.directory is not None else "there is no home directory for compiled graphs: set XDG_CACHE_HOME"

    def key(self, text: str) -> str:
        """The key of a graph's compiled code on this machine.

        Args:
            text: The graph, with shapes, strides and types of its inputs and the values of constants.
        """
        import torch

        from unified.core.learn.device import cpuinfo

        cpu = cpuinfo()
        parts = {
            "graph": text,
            "torch": torch.__version__,
            "python": sys.version,
            "compiler": compiler_version(),
            "processor": [torch.backends.cpu.get_cpu_capability(), cpu.get("flags", cpu.get("Features", ""))],
            "threads": torch.get_num_threads(),
            "settings": SETTINGS,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def start(self, key: str, traced: TracedUpdate, inputs: Sequence[torch.Tensor], *, urgent: bool) -> Compilation:
        """Compile a graph in another process, unless the cache holds it.

        Args:
            key: Key of the graph.
            traced: Holds the graph.
            inputs: Example inputs; their values do not matter.
            urgent: Whether this process waits for the result; compiling then uses all cores.

        Raises:
            CompilationFailed: If the cache is not private, or cannot be written.
        """
        assert self.directory is not None
        try:
            data, constants = written(traced.graph, inputs)
            return Compilation(self.directory / key, data, constants, urgent)
        except UnifiedError:
            raise
        except Exception as error:  # the disk, or a node that cannot be pickled
            raise CompilationFailed(f"it cannot be written to {self.directory}: {error_text(error)}") from error


def _make_private(place: Path) -> None:
    """Make the directory of a graph in the cache, in which only its user may write: nobody else can put code there.

    A directory of the user that others could write to, since another program made it with their umask, is made private, and the cache in
    it is emptied: what it holds may be of others.

    Raises:
        CompilationFailed: If a directory belongs to another user, or is a link.
    """
    cache = place.parent
    cache.parent.parent.mkdir(parents=True, exist_ok=True)
    for each in (cache.parent, cache, place):
        each.mkdir(mode=0o700, exist_ok=True)
        about = each.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
            what = f"{each}, which holds machine code, is a link or belongs to another user"
            raise CompilationFailed(f"{what}: remove it, or set XDG_CACHE_HOME to a directory of your own")
        if about.st_mode & 0o022:
            each.chmod(0o700)
            shutil.rmtree(cache if each == cache.parent else each, ignore_errors=True)
            each.mkdir(mode=0o700, exist_ok=True)


def written(graph: GraphModule, inputs: Sequence[torch.Tensor]) -> tuple[bytes, list[torch.Tensor]]:
    """A graph as JSON, whose constants are further inputs, because a loaded artefact does not have them; and the constants.

    Raises:
        CompilationFailed: If a node has a target or an argument that JSON cannot hold.
    """
    constants = [node for node in graph.graph.nodes if node.op == "get_attr"]
    values = [getattr(graph, node.target).detach().clone() for node in constants]
    nodes: list[Any] = [["placeholder", node.name] for node in (*graph.graph.find_nodes(op="placeholder"), *constants)]
    for node in graph.graph.nodes:
        if node.op == "call_function":
            nodes.append([_operation(node.target), node.name, _encoded(node.args), _encoded(dict(node.kwargs))])
        elif node.op == "output":
            nodes.append(["output", node.name, _encoded(node.args)])
    shapes = [[list(each.shape), list(each.stride()), _encoded(each.dtype)] for each in (*inputs, *values)]
    return json.dumps([nodes, shapes]).encode(), values


def read(data: bytes) -> tuple[GraphModule, list[torch.Tensor]]:
    """The graph that `written` encoded, and examples of its inputs."""
    import torch

    nodes, shapes = json.loads(data)
    graph, made = torch.fx.Graph(), dict[str, torch.fx.Node]()
    for operation, name, *rest in nodes:
        arguments = [_decoded(each, made) for each in rest]
        if operation == "placeholder":
            made[name] = graph.placeholder(name)
        elif operation == "output":
            graph.output(arguments[0][0])
        else:
            made[name] = graph.create_node("call_function", _named(operation), arguments[0], arguments[1], name)
    examples = [torch.empty_strided(shape, stride, dtype=_decoded(dtype, {})).zero_() for shape, stride, dtype in shapes]
    return torch.fx.GraphModule({}, graph), examples


def _operation(target: Any) -> str:
    """The name of an operation in a graph, for `_named`."""
    import torch

    if target is operator.getitem:
        return "getitem"
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    raise CompilationFailed(f"operation {target} has no name to write")


def _named(name: str) -> Any:
    import torch

    if name == "getitem":
        return operator.getitem
    namespace, operation, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), operation), overload)


def _encoded(value: Any) -> Any:
    """An argument of an operation, as JSON: what JSON has no type for is an object with the name of its type."""
    import torch

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.fx.Node):
        return {"node": value.name}
    if isinstance(value, torch.dtype | torch.layout | torch.memory_format):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(each) for each in value]}
    if isinstance(value, list):
        return [_encoded(each) for each in value]
    if isinstance(value, dict):
        return {"dict": {name: _encoded(each) for name, each in value.items()}}
    raise CompilationFailed(f"an argument of an operation is of type {type(value).__name__}, which cannot be written")


def _decoded(value: Any, made: Mapping[str, torch.fx.Node]) -> Any:
    """The argument that `_encoded` encoded, in a graph with these nodes."""
    import torch

    if isinstance(value, list):
        return [_decoded(each, made) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "node":
        return made[content]
    if kind == "torch":
        return getattr(torch, content)
    if kind == "device":
        return torch.device(content)
    if kind == "tuple":
        return tuple(_decoded(each, made) for each in content)
    return {name: _decoded(each, made) for name, each in content.items()}


class Compilation:
    """The compilation of a graph, running or done.

    Args:
        place: Directory of the graph in the cache.
        data: The graph, from `written`.
        constants: Further inputs, after those of the graph.
        urgent: Whether to use all cores.
    """

    def __init__(self, place: Path, data: bytes, constants: Sequence[torch.Tensor], urgent: bool) -> None:
        self.place, self.data, self.constants = place, data, tuple(constants)
        self._stop: Callable[[], object] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        _make_private(place)
        if not is_complete(place):
            self._start(urgent)

    def _start(self, urgent: bool) -> None:
        import torch

        _make_private(self.place)
        replace(self.place / GRAPH, self.data)
        arguments = [str(self.place), str(torch.get_num_threads()), str(usable_cores() if urgent else 1)]
        # The key does not contain settings of torch's compiler in environment variables, so they are removed.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHINDUCTOR_", "TORCH_COMPILE"))}
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.place / CODE)
        environment["TORCHINDUCTOR_COMPILE_THREADS"] = arguments[-1]
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        with open(self.place / LOG, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "unified.core.learn.compiler", *arguments],
                stdin=subprocess.PIPE,  # closed at the end of this process, which ends the other one
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._stop = weakref.finalize(self, _kill, self._process)

    @property
    def done(self) -> bool:
        """Whether the process has ended, with or without a result."""
        return self._process is None or self._process.poll() is not None

    def wait(self, meanwhile: Callable[[], object]) -> RunGraph:
        """Wait for the compiled graph and load it.

        Args:
            meanwhile: Called several times a second during the wait; an exception that it raises ends the wait and the compilation.

        Raises:
            CompilationFailed: If the graph cannot be compiled or loaded.
        """
        try:
            for attempt in range(2):
                if attempt:  # the result was damaged or removed, or does not load
                    shutil.rmtree(self.place, ignore_errors=True)
                    self._start(urgent=True)
                while not self.done:
                    meanwhile()
                    time.sleep(0.05)
                if is_complete(self.place):
                    with suppress(Exception):
                        run, constants = load(self.place), self.constants
                        return lambda *inputs: run(*inputs, *constants)
                elif self._process is not None and self._process.returncode:
                    break
        except OSError as error:
            raise CompilationFailed(f"the cache {self.place} cannot be written: {error_text(error)}") from error
        finally:
            self.stop()
        raise CompilationFailed(f"{self._last_words()} ({self.place / LOG})")

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.place / LOG).read_text(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "the compiler ended")
        return "the compiler ended"

    def stop(self) -> None:
        """Kill the process, if it runs."""
        self._stop()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its children."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def is_complete(place: Path) -> bool:
    """Whether a directory of the cache holds all files of a compiled graph, unchanged."""
    try:
        digests: dict[str, str] = json.loads((place / COMPLETE).read_text())
        return all(_digest(place / CODE / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(place: Path) -> RunGraph:
    """The compiled graph of a directory of the cache."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # silences a warning without a GPU
    from torch._inductor.standalone_compile import CompiledArtifact

    os.utime(place / COMPLETE)
    run: RunGraph = CompiledArtifact.load(path=str(place / CODE), format="unpacked")
    return run


# The process that compiles ----------------------------------------------------------------------------------------------------------


def compile_graph(place: Path, threads: int) -> None:
    """Compile the graph in a directory of the cache for this number of torch threads."""
    import torch
    from torch._inductor import standalone_compile

    torch.set_num_threads(threads)
    graph, examples = read((place / GRAPH).read_bytes())
    with torch.no_grad():
        standalone_compile(
            graph, list(examples), dynamic_shapes="from_example_inputs", options={"config_patches": SETTINGS}, donate_graph_module=True
        )
    files = sorted(path for path in (place / CODE).rglob("*") if path.is_file() and path.suffix != ".lock")
    digests = {str(path.relative_to(place / CODE)): _digest(path) for path in files}
    replace(place / COMPLETE, json.dumps(digests, indent=1).encode())


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Context in which no other process compiles the same graph."""
    with open(place / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prune(directory: Path, kept: int = KEPT) -> None:
    """Remove the least recently used graphs, and what is left of compilations that ended without a result."""
    used = []
    for place in directory.iterdir():
        with suppress(OSError):
            if (place / COMPLETE).exists():
                used.append(((place / COMPLETE).stat().st_mtime, place))
            elif time.time() - place.stat().st_mtime > ABANDONED:
                shutil.rmtree(place, ignore_errors=True)
    for _, place in sorted(used, reverse=True)[kept:]:
        shutil.rmtree(place, ignore_errors=True)


def _end_with_parent() -> None:
    """Kill this process and its children when the run that started it ends."""
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
