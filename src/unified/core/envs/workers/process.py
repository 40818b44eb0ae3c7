"""Environments in processes of their own: new interpreters without torch, connected by a socket pair."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import IO

from unified.core.base.errors import UnifiedError
from unified.core.base.spec import Spec
from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.workers.inline import WorkerLost
from unified.core.envs.workers.protocol import Message, decode, encode, raise_described

#: Seconds for a worker to import its suite and build its environment, on a busy machine.
START_TIMEOUT = 180.0
#: Seconds for a worker to close its environment.
PATIENCE = 5.0

#: Thread pools are limited to one thread per worker, so that workers do not compete with the learner for cores.
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LP_NUM_THREADS")


class ProcessWorker:
    """An `EnvWorker` with an environment in a process.

    The constructor starts the process; `ready` waits until the environment is built, so that many processes start in parallel.
    """

    spec: Spec

    def __init__(self, reference: SuiteReference, name: str) -> None:
        self._reference, self._name = reference, name
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The last lines of output of the process."""
        return "".join(self._lines)

    def ready(self) -> None:
        """Wait until the environment is built.

        Raises:
            UnifiedError: If it cannot be built.
        """
        try:
            self.spec = Spec.from_json(self.recv(START_TIMEOUT).head["spec"])
        except WorkerLost as lost:
            self.close()
            raise UnifiedError(f"{self._name} could not be started: {lost}") from None
        except UnifiedError:
            self.close()
            raise

    def send(self, message: Message) -> None:
        # `recv` notices a lost process.
        with suppress(OSError):
            self._connection.send_bytes(encode(message))

    def recv(self, timeout: float) -> Message:
        try:
            if not self._connection.poll(timeout):
                raise WorkerLost(f"its process was silent for {timeout:g} s")
            message = decode(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise WorkerLost(self._last_words()) from None
        raise_described(message.head, self._name)
        return message

    def restart(self) -> None:
        self._process.kill()
        self.close()
        self._start()
        self.ready()

    def shut_down(self) -> None:
        self._connection.close()

    def close(self) -> None:
        self._end()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
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
        self._lines: deque[str] = deque(maxlen=40)
        output = self._process.stdout
        assert output is not None
        self._reader = threading.Thread(target=_keep, args=(output, self._lines), daemon=True, name=f"output of {self._name}")
        self._reader.start()
        self._end = weakref.finalize(self, _end, self._connection, self._process, self._reader)
        self.send(Message({"op": "build", "suite": self._reference.to_json()}))

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._reader.join(1.0)
        code = self._process.returncode
        how = "closed its connection" if code is None else f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {how}" + (f"\n{self.output.rstrip()}" if self._lines else "")


def _keep(output: IO[bytes], lines: deque[str]) -> None:
    with output:
        for line in output:
            lines.append(line.decode(errors="replace"))


def _end(connection: Connection, process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
    connection.close()  # the worker reads the end of the stream, closes its environment and exits
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    reader.join(1.0)
