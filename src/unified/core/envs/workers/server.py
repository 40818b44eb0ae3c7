"""Process of one environment: ``python -m unified.core.envs.workers.server FD``. Imports no torch."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from unified.core.envs.suite_ref import SuiteReference
from unified.core.envs.workers.inline import EnvServer
from unified.core.envs.workers.protocol import Message, decode, describe, encode

#: Seconds between checks for the parent process, and seconds to end in order after its death.
WATCH, GRACE = 1.0, 5.0


def main(descriptor: int) -> None:
    """Serve the parent process at the other end of `descriptor` until it closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    connection = Connection(descriptor)
    server: EnvServer | None = None
    try:
        while True:
            message = decode(connection.recv_bytes())
            try:
                if message.head["op"] == "build":
                    server = EnvServer(SuiteReference.from_json(message.head["suite"]).build())
                    answer = Message({"spec": server.spec.to_json()})
                else:
                    assert server is not None
                    answer = server.serve(message)
            except Exception as error:
                answer = describe(error, traceback.format_exc())
            connection.send_bytes(encode(answer))
    except (EOFError, OSError):
        pass
    finally:
        if server is not None:
            server.close()  # before the interpreter ends, or the GL context complains on its way out


def _watch(parent: int) -> None:
    """End this process after the death of its parent, even if the environment hangs."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
