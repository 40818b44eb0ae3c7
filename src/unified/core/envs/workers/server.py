"""Process of one environment: ``python -m unified.core.envs.workers.server FD``. Imports no torch."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import suppress
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
    server: EnvServer | None = None
    try:
        while True:
            message = decode(connection.recv_bytes())
            try:
                trace = ""
                if message.head["op"] == "build":
                    server = EnvServer(SuiteReference.from_json(message.head["suite"]).build())
                    answer = Message({"spec": server.spec.to_json()})
                else:
                    assert server is not None
                    answer = server.serve(message)
                    trace = answer.head.get("trace", "")
            except BaseException as error:
                answer = describe(error)
            if os.getpid() != process:
                os._exit(0)  # the environment forked, and this is the child
            if trace:
                _print(trace)
            connection.send_bytes(encode(answer))
    except (EOFError, OSError):
        pass
    finally:
        with suppress(OSError):
            connection.close()  # the environment may have closed it
        if server is not None and os.getpid() == process:
            server.close()  # before the interpreter ends, or the GL context complains on its way out


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
