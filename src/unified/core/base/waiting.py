"""How the threads of a torch operation wait for each other. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Turns of the waiting loop of GNU's OpenMP before a thread sleeps, 20 to 50 µs: about the time between two operations.
TURNS = "1000"


def wait_briefly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let a thread that waits for the others sleep after some microseconds, so that another process beside a run does not stop it.

    By default it spins for milliseconds: a core that is not free then holds up both, the spinning thread and the one it waits for. OpenMP
    reads these variables once, when torch is imported. No result depends on them, and a choice of the user stays.
    """
    if "OMP_WAIT_POLICY" not in environ:
        environ["OMP_WAIT_POLICY"] = "passive"
        environ.setdefault("GOMP_SPINCOUNT", TURNS)
