"""Environments in processes of their own: new interpreters without torch, connected by a socket pair."""

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

#: Thread pools are limited to one thread per worker, so that workers do not compete with the learner for cores.
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LP_NUM_THREADS")


class ProcessWorker:
    """An `EnvWorker` with an environment in a process.

    The constructor starts the process; `ready` waits until the environment is built, so that many processes start in parallel.
    """

    spec: Spec

    def __init__(self, reference: SuiteReference, name: str, log: OutputLog, timeout: float) -> None:
        self._reference, self._name, self._log = reference, name, log
        self._start_timeout = max(START_TIMEOUT, 3 * timeout)
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The last lines of output of the process."""
        return shortened(self._tail.decode(errors="replace")[-LONGEST:].strip())

    def ready(self) -> None:
        """Wait until the environment is built; a process that ends or is silent is replaced once.

        Raises:
            UnifiedError: If it cannot be built.
        """
        try:
            self._built()
        except WorkerLost:
            try:
                self.restart()
            except WorkerLost as lost:
                hint = "if it needs more time: train.env_timeout=SECONDS"
                raise EnvironmentFailed(Problem(f"{self._name} could not be started, twice: {lost}", hint)) from None

    def _built(self) -> None:
        try:
            self.spec = Spec.from_json(self.recv(self._start_timeout).head["spec"])
        except BaseException:
            self.close()
            raise

    def send(self, message: Message) -> None:
        # `recv` notices a lost process.
        with suppress(OSError):
            self._connection.send_bytes(encode(message))

    def recv(self, timeout: float) -> Message:
        try:
            if not self._wait(timeout):
                self._abandon()
                raise WorkerLost(f"its process was silent for {timeout:g} s")
            frame = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise WorkerLost(self._last_words()) from None
        try:
            message = decode(frame)
        except Exception:  # something else was written to the connection
            self._abandon()
            raise WorkerLost("its process sent what is no answer") from None
        raise_described(message.head, self._name)
        return message

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

    def restart(self) -> None:
        self._abandon()
        self.close()
        self._start()
        try:
            self._built()
        except UnifiedError as error:
            raise WorkerLost(f"it could not be started again: {error}") from None

    def shut_down(self) -> None:
        self._connection.close()
        self._deadline.append(time.monotonic() + PATIENCE)

    def close(self) -> None:
        self._end()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # a process that stops within a message does not stop its parent
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", int(PATIENCE), 0))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "unified.core.envs.workers.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **dict.fromkeys(POOLS, "1"), "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                start_new_session=True,  # Ctrl-C is for the learner, which then closes its workers
            )
        self._connection = Connection(ours.detach())
        self._tail = bytearray()
        output = self._process.stdout
        assert output is not None
        self._reader = threading.Thread(target=_keep, args=(output, self._tail, self._log), daemon=True, name=f"output of {self._name}")
        self._reader.start()
        self._deadline: list[float] = []  # of the environment's end, once it was requested
        self._end = weakref.finalize(self, _end, self._connection, self._process, self._reader, self._deadline)
        self.send(Message({"op": "build", "suite": self._reference.to_json()}))

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        self._abandon()
        self._reader.join(1.0)
        how = "closed its connection" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {how}" + (f"\n{self.output}" if self._tail else "")


def _keep(output: IO[bytes], tail: bytearray, log: OutputLog) -> None:
    """Read the output of a process: the newest of it stays in `tail`, all of it goes to the log."""
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
