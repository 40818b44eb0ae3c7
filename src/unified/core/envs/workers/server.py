"""The process of one or several environments: ``python -m unified.core.envs.workers.server FD``. Imports no torch."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.workers.inline import EnvServer
from unified.core.envs.workers.protocol import Message, decode, describe, encode

#: Seconds between checks for the parent process, and seconds to end in order after its death.
WATCH, GRACE = 1.0, 5.0


def main(descriptor: int) -> None:
    """Serve the parent process at the other end of `descriptor` until it closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    with suppress(OSError):  # when memory runs out, the kernel ends this process and not its parent
        Path("/proc/self/oom_score_adj").write_text("1000")
    faulthandler.enable()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    process, connection = os.getpid(), Connection(descriptor)
    servers: list[EnvServer] = []
    try:
        while True:
            answers, reported = [], time.monotonic()
            for env_id, request in decode(connection.recv_bytes()):
                answer = _answer(servers, env_id, request)
                if os.getpid() != process:
                    os._exit(0)  # the environment forked, and this is the child
                if trace := answer.head.get("trace"):
                    _print(trace)
                answers.append(encode(answer, env_id))  # at once: the environments may share the memory of their observations
                if time.monotonic() - reported > WATCH:
                    connection.send_bytes(b"")  # an answer in time: each environment has the whole time limit
                    reported = time.monotonic()
            connection.send_bytes(b"".join(answers))
    except (EOFError, OSError):
        pass
    finally:
        with suppress(OSError):
            connection.close()  # the environment may have closed it
        if os.getpid() == process:
            with ExitStack() as ends:  # before the interpreter ends, or the GL context complains on its way out
                for server in servers:
                    ends.callback(server.close)


def _answer(servers: list[EnvServer], env_id: int, request: Message) -> Message:
    try:
        if request.head["op"] != "build":
            return servers[env_id].serve(request)
        suite = SuiteReference.from_json(request.head["suite"])
        for _ in range(request.head["count"]):
            servers.append(EnvServer(suite.build()))
        return Message({"spec": servers[0].spec.to_json()})
    except BaseException as error:
        return describe(error)


def _print(trace: str) -> None:
    """Print where an environment failed; the environment may have closed its output."""
    with suppress(OSError):
        os.write(2, trace.encode())


def _watch(parent: int) -> None:
    """End this process after the death of its parent, even if the environment hangs."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
