"""Environments in other processes: new interpreters without torch, connected by socket pairs. Several environments may share one."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import IO

from unified.core.base.errors import LONGEST, EnvironmentFailed, Problem, UnifiedError, shortened
from unified.core.base.spec import Spec
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.workers.inline import WorkerLost
from unified.core.envs.workers.output import OutputLog
from unified.core.envs.workers.protocol import Message, decode, encode, raise_described

#: Seconds, at least, for a worker to import its suite and build its environment.
START_TIMEOUT = 20.0
#: Seconds for a worker to close its environment.
PATIENCE = 5.0
#: Seconds between checks whether a silent process is alive: a child of it may hold its connection open.
CHECK = 1.0
#: Bytes of the newest output of a process that errors show.
TAIL = 4096
#: Number, instead of that of an environment, of the request to build all environments of a process and of its answer.
BUILDING = -1

#: Thread pools are limited to one thread per worker, so that workers do not compete with the learner for cores. The software renderer
#: (LP_NUM_THREADS) counts additional threads: with none, a picture does not wait for another thread on a busy machine.
POOLS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "LP_NUM_THREADS": "0",
}


class EnvProcess:
    """A process with `count` environments, each of which a `ProcessWorker` represents. A request and an answer are one frame for all.

    The constructor starts the process; `ready` waits until the environments are built, so that many processes start in parallel.

    A process that ends or is silent loses all of its environments: `recv` of each raises `WorkerLost` until its `restart`, the first of
    which starts a new process.

    Args:
        reference: The suite.
        count: Number of environments.
        name: Name of the environments in messages.
        log: Receives the output of the process.
        timeout: Seconds without an answer after which the process is replaced.
    """

    spec: Spec

    def __init__(self, reference: SuiteReference, count: int, name: str, log: OutputLog, timeout: float) -> None:
        self._reference, self.count, self._name, self._log = reference, count, name, log
        self._start_timeout = count * max(START_TIMEOUT, 3 * timeout)
        self._requests: dict[int, bytes] = {}  # sent since the last frame, by environment
        self._answers: dict[int, Message] = {}  # not yet received, by environment
        self._lost: dict[int, str] = {}  # reason by environment, for those to restart
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The last lines of output of the process."""
        return shortened(self._tail.decode(errors="replace")[-LONGEST:].strip())

    def ready(self) -> None:
        """Wait until the environments are built; a process that ends or is silent is replaced once.

        Raises:
            UnifiedError: If they cannot be built.
        """
        try:
            self._built()
        except WorkerLost:
            try:
                self._start_again()
            except WorkerLost as lost:
                hint = "if it needs more time: train.env_timeout=SECONDS"
                raise EnvironmentFailed(Problem(f"{self._name} could not be started, twice: {lost}", hint)) from None

    def _built(self) -> None:
        """Wait for the answer to the request of `_start`.

        Raises:
            WorkerLost: If there is none.
            UnifiedError: If an environment cannot be built.
        """
        try:
            while BUILDING not in self._answers:
                self._receive(self._start_timeout)
            answer = self._answers.pop(BUILDING)
            raise_described(answer.head, self._name)
            self.spec = Spec.from_json(answer.head["spec"])
        except BaseException:
            self.close()
            raise

    def send(self, env_id: int, message: Message) -> None:
        """Send the request of an environment. A frame is sent when all environments have a request, or when `recv` is called."""
        self._requests[env_id] = b"" if env_id in self._lost else encode(message, env_id)
        if len(self._requests) == self.count:
            self._flush()

    def _flush(self) -> None:
        frame = b"".join(self._requests.values())
        self._requests.clear()
        if frame:
            with suppress(OSError):  # `_receive` notices a lost process
                self._connection.send_bytes(frame)

    def recv(self, env_id: int, timeout: float) -> Message:
        """The answer to the last request of an environment, as `EnvWorker.recv` gives it."""
        self._flush()
        while env_id not in self._answers:
            if env_id in self._lost:
                raise WorkerLost(self._lost[env_id])
            try:
                self._receive(timeout)
            except WorkerLost as lost:
                self._lost = dict.fromkeys(range(self.count), str(lost))
        return self._answers.pop(env_id)

    def _receive(self, timeout: float) -> None:
        """Read the answers of one frame; an empty frame means that the process is still at work.

        Raises:
            WorkerLost: If none arrives within `timeout` seconds, or the process is dead.
        """
        try:
            if not self._wait(timeout):
                self._abandon()
                raise WorkerLost(f"its process was silent for {timeout:g} s")
            frame = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise WorkerLost(self._last_words()) from None
        try:
            self._answers.update(decode(frame))
        except Exception:  # something else was written to the connection
            self._abandon()
            raise WorkerLost("its process sent an invalid answer") from None

    def _wait(self, timeout: float) -> bool:
        """Whether there is something to read within `timeout` seconds.

        Raises:
            EOFError: If the process ended meanwhile.
        """
        end = time.monotonic() + timeout
        while not self._connection.poll(max(0.0, min(CHECK, end - time.monotonic()))):
            if self._process.poll() is not None and not self._connection.poll():
                raise EOFError
            if time.monotonic() >= end:
                return False
        return True

    def _abandon(self) -> None:
        """Kill the process; an answer that it sent too late is not read."""
        _kill(self._process)
        self._connection.close()

    def restart(self, env_id: int) -> bool:
        """Replace a lost environment; returns whether this started a new process. Later environments of it use the same one.

        Raises:
            WorkerLost: If the process does not start.
        """
        first = len(self._lost) == self.count
        if first:
            try:
                self._start_again()
            except UnifiedError as error:
                raise WorkerLost(f"it could not be started again: {error}") from None
        del self._lost[env_id]
        return first

    def _start_again(self) -> None:
        self._abandon()
        self.close()
        self._start()
        self._built()

    def shut_down(self) -> None:
        self._connection.close()
        self._deadline.append(time.monotonic() + PATIENCE)

    def close(self) -> None:
        self._end()

    def _start(self) -> None:
        parent, child = socket.socketpair()
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # a process that stops within a message does not stop its parent
            parent.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", int(PATIENCE), 0))
        with child:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "unified.core.envs.workers.server", str(child.fileno())],
                pass_fds=[child.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **POOLS, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                start_new_session=True,  # Ctrl-C is for the learner, which then closes its workers
            )
        self._connection = Connection(parent.detach())
        self._tail = bytearray()
        output = self._process.stdout
        assert output is not None
        self._reader = threading.Thread(target=_keep, args=(output, self._tail, self._log), daemon=True, name=f"output of {self._name}")
        self._reader.start()
        self._deadline: list[float] = []  # of the environment's end, once it was requested
        self._end = weakref.finalize(self, _end, self._connection, self._process, self._reader, self._deadline)
        request = Message({"op": "build", "suite": self._reference.to_json(), "count": self.count})
        with suppress(OSError):
            self._connection.send_bytes(encode(request, BUILDING))

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        self._abandon()
        self._reader.join(1.0)
        how = "closed its connection" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {how}" + (f"\n{self.output}" if self._tail else "")


class ProcessWorker:
    """An `EnvWorker` with an environment in another process.

    Args:
        process: A process that is `ready`.
        env_id: Number of the environment in the process.
        name: Name of the environment in messages.
    """

    def __init__(self, process: EnvProcess, env_id: int, name: str) -> None:
        self.process, self.spec, self._env_id, self._name = process, process.spec, env_id, name

    def send(self, message: Message) -> None:
        self.process.send(self._env_id, message)

    def recv(self, timeout: float) -> Message:
        answer = self.process.recv(self._env_id, timeout)
        raise_described(answer.head, self._name)
        return answer

    def restart(self) -> bool:
        return self.process.restart(self._env_id)

    def shut_down(self) -> None:
        self.process.shut_down()

    def close(self) -> None:
        self.process.close()


def _keep(output: IO[bytes], tail: bytearray, log: OutputLog) -> None:
    """Copy the output of a process to the log, and its end to `tail`."""
    with output, suppress(OSError, ValueError):
        while data := os.read(output.fileno(), 65536):
            tail += data
            del tail[:-TAIL]
            log.write(data)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _end(connection: Connection, process: subprocess.Popen[bytes], reader: threading.Thread, deadline: list[float]) -> None:
    connection.close()  # the worker reads the end of the stream, closes its environment and exits
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline[0] - time.monotonic()) if deadline else PATIENCE)
    _kill(process)
    process.wait()
    reader.join(1.0)
